// SPDX-License-Identifier: Apache-2.0
// A version's walk, what a run says about itself: metrics with their history, parameters, tags,
// data sets, models.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "storage/database.h"
#include "tracking/state.h"
#include "tracking/tracking.h"

namespace slipway::tracking {
namespace {

constexpr size_t kMetricRowsPerStatement = 100;
// SQLite has no NaN and infinities have no JSON: NaN is a flag beside 0, infinities are the largest
// finite numbers.
storage::SqlParams NumberColumns(const Metric& metric) {
  constexpr double kMost = std::numeric_limits<double>::max();
  const bool is_nan = std::isnan(metric.value);
  return {metric.key, metric.timestamp_ms, metric.step,
          is_nan ? 0.0 : std::clamp(metric.value, -kMost, kMost), static_cast<int64_t>(is_nan)};
}

base::Status InsertMetrics(storage::Transaction& transaction, const std::string& into,
                           const std::string& on_conflict, const std::string& run_id,
                           const std::vector<Metric>& metrics) {
  constexpr size_t kColumns = 6;
  for (size_t first = 0; first < metrics.size(); first += kMetricRowsPerStatement) {
    const size_t count = std::min(kMetricRowsPerStatement, metrics.size() - first);
    std::string sql =
        "INSERT INTO " + into + " (run_id, key, timestamp_ms, step, value, is_nan) VALUES ";
    storage::SqlParams params;
    for (size_t i = 0; i < count; ++i) {
      sql += (i == 0 ? "(" : ", (") + Placeholders(i * kColumns, kColumns) + ")";
      params.emplace_back(run_id);
      for (storage::SqlValue& value : NumberColumns(metrics[first + i]))
        params.push_back(std::move(value));
    }
    TRY(transaction.Execute(sql + on_conflict, params));
  }
  return {};
}

std::vector<Metric> LatestOf(const std::vector<Metric>& metrics) {
  std::map<std::string, Metric> latest;
  for (const Metric& metric : metrics) {
    const auto [place, is_new] = latest.try_emplace(metric.key, metric);
    const auto rank = [](const Metric& m) {
      return std::tuple(m.step, m.timestamp_ms, std::isnan(m.value) ? 0.0 : m.value);
    };
    if (!is_new && rank(place->second) <= rank(metric)) place->second = metric;
  }
  std::vector<Metric> values;
  values.reserve(latest.size());
  for (auto& [key, metric] : latest) values.push_back(std::move(metric));
  return values;
}

base::Status WriteParams(storage::Transaction& transaction, const std::string& run_id,
                         const std::vector<Param>& params) {
  for (const Param& param : params) {
    const storage::Rows former = TRY(transaction.Query(
        "SELECT value FROM tracking_params WHERE run_id = $1 AND key = $2", {run_id, param.key}));
    if (former.empty()) {
      TRY(transaction.Execute(
          "INSERT INTO tracking_params (run_id, key, value) VALUES ($1, $2, $3)",
          {run_id, param.key, param.value}));
    } else if (former.front().Text(0) != param.value) {
      return base::InvalidArgument("params",
                                   "Changing param values is not allowed. Param with key='" +
                                       param.key + "' was already logged with value='" +
                                       former.front().Text(0) + "' for run ID='" + run_id +
                                       "'. Attempted logging new value '" + param.value + "'.",
                                   "param_changed");
    }
  }
  return {};
}

base::Status WriteModels(storage::Transaction& transaction, const std::string& run_id,
                         const std::string& direction, const std::vector<ModelLink>& models) {
  for (const ModelLink& model : models) {
    TRY(LoadLoggedModel(transaction, model.model_id));
    TRY(
        transaction.Execute("INSERT INTO tracking_run_models (run_id, direction, model_id, step) "
                            "VALUES ($1, $2, $3, $4) "
                            "ON CONFLICT DO NOTHING",
                            {run_id, direction, model.model_id, model.step}));
  }
  return {};
}

base::Status CheckDataset(const DatasetInput& dataset) {
  constexpr size_t kMostName = 500;
  constexpr size_t kMostDigest = 36;
  constexpr size_t kMostSource = 65'535;
  constexpr size_t kMostText = 16'777'215;
  const auto check = [](const char* field, const std::string& value, size_t most) -> base::Status {
    if (value.size() <= most) return {};
    return base::InvalidArgument(std::string("datasets.") + field,
                                 std::string("A data set's ") + field + " has at most " +
                                     std::to_string(most) + " bytes, this one " +
                                     std::to_string(value.size()) + ".");
  };
  if (dataset.name.empty())
    return base::InvalidArgument("datasets.name", "A data set needs a name.");
  if (dataset.digest.empty())
    return base::InvalidArgument("datasets.digest", "A data set needs a digest.");
  TRY(check("name", dataset.name, kMostName));
  TRY(check("digest", dataset.digest, kMostDigest));
  TRY(check("source", dataset.source, kMostSource));
  TRY(check("schema", dataset.schema, kMostText));
  return check("profile", dataset.profile, kMostText);
}

}  // namespace

// What a metric says of a logged model stands beside the run's own history: clients log it twice,
// with and without.
base::Status WriteModelMetrics(storage::Transaction& transaction, const std::string& run_id,
                               const std::vector<Metric>& metrics) {
  for (const Metric& metric : metrics) {
    if (metric.model_id.empty()) continue;
    storage::SqlParams params = {metric.model_id, run_id, metric.dataset_name,
                                 metric.dataset_digest};
    for (storage::SqlValue& value : NumberColumns(metric)) params.push_back(std::move(value));
    TRY(
        transaction.Execute("INSERT INTO tracking_logged_model_metrics (model_id, run_id, "
                            "dataset_name, dataset_digest, key, "
                            "timestamp_ms, step, value, is_nan) VALUES ($1, $2, $3, $4, $5, $6, "
                            "$7, $8, $9) ON CONFLICT DO NOTHING",
                            params));
  }
  return {};
}

base::Status WriteMetrics(storage::Transaction& transaction, const std::string& run_id,
                          const std::vector<Metric>& metrics) {
  TRY(InsertMetrics(transaction, "tracking_metrics", " ON CONFLICT DO NOTHING", run_id, metrics));
  TRY(WriteModelMetrics(transaction, run_id, metrics));
  return InsertMetrics(transaction, "tracking_latest_metrics",
                       " ON CONFLICT (run_id, key) DO UPDATE SET timestamp_ms = "
                       "excluded.timestamp_ms, step = excluded.step, "
                       "value = excluded.value, is_nan = excluded.is_nan "
                       "WHERE (excluded.step, excluded.timestamp_ms, excluded.value) >= "
                       "(tracking_latest_metrics.step, tracking_latest_metrics.timestamp_ms, "
                       "tracking_latest_metrics.value)",
                       run_id, LatestOf(metrics));
}

base::Status WriteDataset(storage::Transaction& transaction, const std::string& run_id,
                          const DatasetInput& dataset) {
  base::Json tags = base::Json::MakeObject();
  for (const auto& [key, value] : dataset.tags) tags.Set(key, value);
  TRY(
      transaction.Execute("INSERT INTO tracking_datasets (run_id, name, digest, source_type, "
                          "source, schema_text, profile, tags) "
                          "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (run_id, name, "
                          "digest) DO UPDATE SET tags = excluded.tags",
                          {run_id, dataset.name, dataset.digest, dataset.source_type,
                           dataset.source, dataset.schema, dataset.profile, tags.Dump()}));
  return {};
}

base::Status Tracking::Log(const std::string& run_id, const LogBatch& batch) {
  TRY(CheckCount("metrics", batch.metrics.size(), kMostMetricsPerCall));
  TRY(CheckParams(batch.params));
  TRY(CheckTags(batch.tags, kMostTagsPerCall));
  for (const Metric& metric : batch.metrics) TRY(CheckKey("metric", metric.key));
  return state_->database.Write([&](storage::Transaction& transaction) -> base::Status {
    TRY(RequireActive(TRY(LoadRunInfo(transaction, run_id))));
    TRY(WriteParams(transaction, run_id, batch.params));
    TRY(WriteMetrics(transaction, run_id, batch.metrics));
    return WriteTags(transaction, run_id, batch.tags);
  });
}

base::Status Tracking::DeleteTag(const std::string& run_id, const std::string& key) {
  return state_->database.Write([&](storage::Transaction& transaction) -> base::Status {
    TRY(RequireActive(TRY(LoadRunInfo(transaction, run_id))));
    const int64_t gone = TRY(transaction.Execute(
        "DELETE FROM tracking_tags WHERE run_id = $1 AND key = $2", {run_id, key}));
    if (gone == 0)
      return base::NotFound("tag_not_found",
                            "No tag with name: " + key + " in run with id " + run_id);
    return {};
  });
}

base::Status Tracking::LogInputs(const std::string& run_id,
                                 const std::vector<DatasetInput>& datasets,
                                 const std::vector<ModelLink>& models) {
  TRY(CheckCount("datasets", datasets.size(), kMostDatasetsPerCall));
  TRY(CheckCount("models", models.size(), kMostDatasetsPerCall));
  for (const DatasetInput& dataset : datasets) {
    TRY(CheckDataset(dataset));
    TRY(CheckTags(dataset.tags, kMostTagsPerCall));
  }
  return state_->database.Write([&](storage::Transaction& transaction) -> base::Status {
    TRY(RequireActive(TRY(LoadRunInfo(transaction, run_id))));
    for (const DatasetInput& dataset : datasets) TRY(WriteDataset(transaction, run_id, dataset));
    return WriteModels(transaction, run_id, "input", models);
  });
}

base::Status Tracking::LogOutputs(const std::string& run_id, const std::vector<ModelLink>& models) {
  TRY(CheckCount("models", models.size(), kMostDatasetsPerCall));
  return state_->database.Write([&](storage::Transaction& transaction) -> base::Status {
    TRY(RequireActive(TRY(LoadRunInfo(transaction, run_id))));
    return WriteModels(transaction, run_id, "output", models);
  });
}

base::Result<Page<Metric>> Tracking::MetricHistory(const std::string& run_id,
                                                   const std::string& key, int64_t offset,
                                                   int64_t limit) {
  Page<Metric> page;
  TRY(state_->database.Read([&](storage::Transaction& transaction) -> base::Status {
    page = {};
    TRY(LoadRunInfo(transaction, run_id));
    for (const storage::Row& row : TRY(transaction.Query(
             "SELECT value, is_nan, timestamp_ms, step FROM tracking_metrics "
             "WHERE run_id = $1 AND key = $2 ORDER BY timestamp_ms, step, value LIMIT $3 OFFSET $4",
             {run_id, key, limit + 1, offset}))) {
      const double value =
          row.Int(1) != 0 ? std::numeric_limits<double>::quiet_NaN() : row.Double(0);
      page.items.push_back({key, value, row.Int(2), row.Int(3), {}, {}, {}});
    }
    page.more = static_cast<int64_t>(page.items.size()) > limit;
    if (page.more) page.items.pop_back();
    return {};
  }));
  return page;
}

}  // namespace slipway::tracking
