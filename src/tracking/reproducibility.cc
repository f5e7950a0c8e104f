// SPDX-License-Identifier: Apache-2.0
// A version's walk, where it comes from: what its run says about data, code, time and quality, in
// the registry's words.
#include <charconv>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "storage/database.h"
#include "tracking/state.h"
#include "tracking/tracking.h"

namespace slipway::tracking {
namespace {

constexpr std::string_view kContextTag = "mlflow.data.context";
constexpr std::string_view kDurationName = "training_duration_s";

std::string TagOf(const Tags& tags, std::string_view key) {
  const auto found = tags.find(std::string(key));
  return found == tags.end() ? "" : found->second;
}

// The data set that the model was trained on: the one logged for training, else the first.
const DatasetInput* TrainingData(const Run& run) {
  for (const DatasetInput& dataset : run.datasets) {
    const std::string context = TagOf(dataset.tags, kContextTag);
    if (context == "training" || context == "train") return &dataset;
  }
  return run.datasets.empty() ? nullptr : &run.datasets.front();
}

std::optional<double> ParseNumber(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && std::isfinite(value) && value >= 0 ? std::optional(value) : std::nullopt;
}

std::optional<double> TrainingSeconds(const Run& run) {
  if (const auto value = ParseNumber(TagOf(run.tags, kDurationName))) return value;
  for (const Param& param : run.params) {
    if (param.key == kDurationName) return ParseNumber(param.value);
  }
  for (const Metric& metric : run.metrics) {
    if (metric.key == kDurationName && std::isfinite(metric.value)) return metric.value;
  }
  if (run.info.end_ms && *run.info.end_ms >= run.info.start_ms) {
    return static_cast<double>(*run.info.end_ms - run.info.start_ms) / 1000.0;
  }
  return std::nullopt;
}

void AddData(const Run& run, base::Json& json) {
  const DatasetInput* dataset = TrainingData(run);
  std::string hash = TagOf(run.tags, "dataset_hash");
  if (hash.empty() && dataset != nullptr) hash = dataset->digest;
  if (!hash.empty()) json.Set("dataset_hash", hash);
  if (dataset == nullptr) return;
  json.Set("dataset", base::Json::MakeObject({{"name", dataset->name},
                                              {"source", dataset->source},
                                              {"digest", dataset->digest},
                                              {"context", TagOf(dataset->tags, kContextTag)}}));
}

base::Json ReproducibilityJson(const Run& run) {
  base::Json json = base::Json::MakeObject();
  AddData(run, json);
  std::string commit = TagOf(run.tags, "git_sha");
  if (commit.empty()) commit = TagOf(run.tags, "mlflow.source.git.commit");
  if (!commit.empty()) json.Set("git_sha", commit);
  if (const std::optional<double> seconds = TrainingSeconds(run)) json.Set(kDurationName, *seconds);
  base::Json params = base::Json::MakeObject();
  for (const Param& param : run.params) params.Set(param.key, param.value);
  json.Set("params", std::move(params));
  base::Json metrics = base::Json::MakeObject();
  for (const Metric& metric : run.metrics) {
    if (metric.key != kDurationName)
      metrics.Set(metric.key, metric.value);  // time spent is no evaluation
  }
  json.Set("metrics", std::move(metrics));
  return json;
}

}  // namespace

base::Result<base::Json> Tracking::ReproducibilityOf(const std::string& run_id,
                                                     const std::string& model_id) {
  std::vector<Run> runs;
  TRY(state_->database.Read([&](storage::Transaction& transaction) -> base::Status {
    runs.clear();
    std::string id = run_id;
    if (id.empty() && !model_id.empty()) id = TRY(LoadLoggedModel(transaction, model_id)).run_id;
    if (id.empty()) return base::NotFound("run_not_found", "the version names no run");
    runs.emplace_back();
    runs.front().info = TRY(LoadRunInfo(transaction, id));
    return AddRunData(transaction, runs);
  }));
  return ReproducibilityJson(runs.front());
}

}  // namespace slipway::tracking
