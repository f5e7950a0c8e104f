// SPDX-License-Identifier: Apache-2.0
// Tracking, what charts ask for: the histories of one metric over several runs, thinned out, and
// the data sets of experiments.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "storage/database.h"
#include "tracking/state.h"
#include "tracking/tracking.h"

namespace slipway::tracking {
namespace {

constexpr int64_t kMostSummaries = 1000;

base::Result<std::vector<Metric>> InRange(storage::Transaction& transaction,
                                          const std::string& run_id, const HistoryQuery& query) {
  std::vector<Metric> metrics;
  for (const storage::Row& row : TRY(transaction.Query(
           "SELECT value, is_nan, timestamp_ms, step FROM tracking_metrics WHERE run_id = $1 AND "
           "key = $2 AND step >= $3 AND step <= $4 ORDER BY step, timestamp_ms, value, is_nan",
           {run_id, query.key, query.first_step, query.last_step}))) {
    const double value = row.Int(1) != 0 ? std::numeric_limits<double>::quiet_NaN() : row.Double(0);
    metrics.push_back({query.key, value, row.Int(2), row.Int(3), {}, {}, {}});
  }
  return metrics;
}

// The first of each of `most` parts that differ by one at most (the longer ones first, as SQL's
// NTILE cuts), and the last of all instead of the last part's first: MLflow's choice.
std::vector<size_t> Thinned(size_t count, size_t most) {
  std::vector<size_t> kept;
  const size_t parts = std::min(count, most);
  size_t at = 0;
  for (size_t part = 0; part < parts; ++part) {
    kept.push_back(at);
    at += count / parts + (part < count % parts ? 1 : 0);
  }
  if (!kept.empty()) kept.back() = count - 1;
  return kept;
}

}  // namespace

base::Result<std::vector<RunMetric>> Tracking::Histories(const HistoryQuery& query) {
  std::vector<RunMetric> found;
  TRY(state_->database.Read([&](storage::Transaction& transaction) -> base::Status {
    found.clear();
    for (const std::string& run_id : query.run_ids) {
      std::vector<Metric> metrics = TRY(InRange(transaction, run_id, query));
      for (const size_t i : Thinned(metrics.size(), static_cast<size_t>(query.most)))
        found.push_back({run_id, std::move(metrics[i])});
    }
    return {};
  }));
  return found;
}

base::Result<std::vector<DatasetSummary>> Tracking::FindDatasets(
    const std::vector<std::string>& experiment_ids) {
  std::vector<DatasetSummary> found;
  if (experiment_ids.empty()) return found;
  storage::SqlParams params;
  for (const std::string& id : experiment_ids) params.emplace_back(TRY(ParseExperimentId(id)));
  params.emplace_back(kMostSummaries);
  TRY(state_->database.Read([&](storage::Transaction& transaction) -> base::Status {
    found.clear();
    for (const storage::Row& row : TRY(transaction.Query(
             "SELECT DISTINCT r.experiment_id, d.name, d.digest, d.tags FROM tracking_datasets d "
             "JOIN tracking_runs r ON r.run_id = d.run_id WHERE r.experiment_id IN (" +
                 Placeholders(0, experiment_ids.size()) + ") ORDER BY 2, 3 LIMIT $" +
                 std::to_string(params.size()),
             params))) {
      const base::Json tags = TRY(base::Json::Parse(row.Text(3)));
      const base::Json* context = tags.Find("mlflow.data.context");
      found.push_back({std::to_string(row.Int(0)), row.Text(1), row.Text(2),
                       context != nullptr ? context->AsString() : ""});
    }
    return {};
  }));
  return found;
}

}  // namespace slipway::tracking
