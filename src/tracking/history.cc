// SPDX-License-Identifier: Apache-2.0
// Tracking, what charts ask for: the histories of one metric over several runs, thinned out, and
// the data sets of experiments.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <set>
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
           "key = $2 AND step >= $3 AND step <= $4 ORDER BY step, timestamp_ms",
           {run_id, query.key, query.first_step, query.last_step}))) {
    const double value =
        row.Int(1) != 0 ? std::numeric_limits<double>::quiet_NaN() : row.Double(0);
    metrics.push_back({query.key, value, row.Int(2), row.Int(3), {}, {}, {}});
  }
  return metrics;
}

// At most `most` of the steps, evenly spaced, the first and the last among them.
void Thin(const std::vector<Metric>& metrics, int64_t most, std::set<int64_t>& kept) {
  std::vector<int64_t> steps;
  for (const Metric& metric : metrics) {
    if (steps.empty() || steps.back() != metric.step) steps.push_back(metric.step);
  }
  const auto count = static_cast<int64_t>(steps.size());
  if (count <= most) {
    kept.insert(steps.begin(), steps.end());
    return;
  }
  if (most == 1) {
    kept.insert(steps.back());
    return;
  }
  const double stride = static_cast<double>(count - 1) / static_cast<double>(most - 1);
  for (int64_t i = 0; i < most; ++i) {
    const double at = std::nearbyint(static_cast<double>(i) * stride);
    kept.insert(steps[static_cast<size_t>(at)]);
  }
}

}  // namespace

base::Result<std::vector<RunMetric>> Tracking::Histories(const HistoryQuery& query) {
  std::vector<RunMetric> found;
  TRY(state_->database.Read([&](storage::Transaction& transaction) -> base::Status {
    found.clear();
    std::vector<std::vector<Metric>> of_runs;
    std::set<int64_t> ends;  // of every run, shown for all
    for (const std::string& run_id : query.run_ids) {
      of_runs.push_back(TRY(InRange(transaction, run_id, query)));
      if (of_runs.back().empty()) continue;
      ends.insert(of_runs.back().front().step);
      ends.insert(of_runs.back().back().step);
    }
    for (size_t i = 0; i < of_runs.size(); ++i) {
      std::set<int64_t> kept = ends;
      Thin(of_runs[i], query.most_steps, kept);
      for (Metric& metric : of_runs[i]) {
        if (kept.contains(metric.step)) found.push_back({query.run_ids[i], std::move(metric)});
      }
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
