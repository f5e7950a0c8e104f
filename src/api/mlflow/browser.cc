// SPDX-License-Identifier: Apache-2.0
// What only MLflow's page asks for: histories of several runs, data sets, uploads by form, and
// files of versions and logged models; and what it asks once to learn what this server lacks.
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/mlflow/call.h"
#include "api/mlflow/encode.h"
#include "base/json.h"
#include "base/status.h"
#include "net/http.h"
#include "tracking/tracking.h"

namespace slipway::api::mlflow {
namespace {

using base::Json;
using base::Result;

constexpr int64_t kMostValues = 25'000;
constexpr int64_t kMostSampled = 2500;
constexpr size_t kMostRuns = 100;
constexpr size_t kMostExperiments = 20;

Result<std::vector<std::string>> RunIds(const Json& fields, std::string_view name) {
  std::vector<std::string> ids = TRY(OptionalTexts(fields, name));
  if (ids.empty()) return Missing(name);
  if (ids.size() <= kMostRuns) return ids;
  return base::InvalidArgument(
      std::string(name), "The request cannot specify more than " + std::to_string(kMostRuns) +
                             " run_ids. Received " + std::to_string(ids.size()) + " run_ids.");
}

Json WithRunId(const tracking::RunMetric& found) {
  Json json = MetricJson(found.metric);
  json.Set("run_id", found.run_id);
  return json;
}

Result<Json> HistoryBulk(Rooms& rooms, const Call& call) {
  const int64_t most =
      std::min(TRY(OptionalNumber(call.fields, "max_results")).value_or(kMostValues), kMostValues);
  const std::string key = TRY(RequireText(call.fields, "metric_key"));
  Json metrics = Json::MakeArray();
  for (const std::string& run_id : TRY(RunIds(call.fields, "run_id"))) {
    const auto page = TRY(HistoryOf(rooms, run_id, key, 0, most));
    for (const tracking::Metric& metric : page.items) {
      if (metrics.AsArray().size() < static_cast<size_t>(most))
        metrics.Append(WithRunId({run_id, metric}));
    }
  }
  return Json::MakeObject({{"metrics", std::move(metrics)}});
}

Result<Json> Telemetry(Rooms&, const Call&) {
  return Json::MakeObject({{"disable_ui_telemetry", true}});
}
Result<Json> Nothing(Rooms&, const Call&) { return Json::MakeObject(); }
Result<Json> NoGateway(Rooms&, const Call&) {
  return Json::MakeObject({{"endpoints", Json::MakeArray()}});
}
Result<Json> NoWorkspaces(Rooms&, const Call&) {
  return Json::MakeObject({{"workspaces", Json::MakeArray()}});
}

}  // namespace

Result<Json> HistoryBulkInterval(Rooms& rooms, const Call& call) {
  tracking::HistoryQuery query;
  query.run_ids = TRY(RunIds(call.fields, "run_ids"));
  query.key = TRY(RequireText(call.fields, "metric_key"));
  query.most = TRY(OptionalNumber(call.fields, "max_results")).value_or(kMostSampled);
  if (query.most < 1 || query.most > kMostSampled) {
    return base::InvalidArgument(
        "max_results", "max_results must be between 1 and " + std::to_string(kMostSampled) + ".");
  }
  const std::optional<int64_t> first = TRY(OptionalNumber(call.fields, "start_step"));
  const std::optional<int64_t> last = TRY(OptionalNumber(call.fields, "end_step"));
  if (first.has_value() != last.has_value()) {
    return base::InvalidArgument(
        "start_step", "If either start step or end step are specified, both must be specified.");
  }
  query.first_step = first.value_or(std::numeric_limits<int64_t>::min());
  query.last_step = last.value_or(std::numeric_limits<int64_t>::max());
  if (query.first_step > query.last_step) {
    return base::InvalidArgument("end_step",
                                 "end_step must be greater than start_step. Found "
                                 "start_step=" +
                                     std::to_string(query.first_step) +
                                     " and end_step=" + std::to_string(query.last_step) + ".");
  }
  Json metrics = Json::MakeArray();
  for (const tracking::RunMetric& found : TRY(rooms.tracking.Histories(query)))
    metrics.Append(WithRunId(found));
  return Json::MakeObject({{"metrics", std::move(metrics)}});
}

Result<Json> SearchDatasets(Rooms& rooms, const Call& call) {
  const std::vector<std::string> ids = TRY(OptionalTexts(call.fields, "experiment_ids"));
  if (ids.empty() || ids.size() > kMostExperiments) {
    return base::InvalidArgument("experiment_ids", "SearchDatasets request must specify 1 to " +
                                                       std::to_string(kMostExperiments) +
                                                       " experiment_ids.");
  }
  Json summaries = Json::MakeArray();
  for (const tracking::DatasetSummary& found : TRY(rooms.tracking.FindDatasets(ids))) {
    Json summary = Json::MakeObject(
        {{"experiment_id", found.experiment_id}, {"name", found.name}, {"digest", found.digest}});
    if (!found.context.empty()) summary.Set("context", found.context);
    summaries.Append(std::move(summary));
  }
  return Json::MakeObject({{"dataset_summaries", std::move(summaries)}});
}

void AddBrowserRoutes(Routes& routes) {
  routes.Add("GET", "metrics/get-history-bulk", HistoryBulk);
  routes.Add("GET", "metrics/get-history-bulk-interval", HistoryBulkInterval);
  routes.Add("POST", "experiments/search-datasets", SearchDatasets);
  routes.Add("GET", "gateway-proxy", NoGateway);
  routes.Add3("GET", "ui-telemetry", Telemetry);
  routes.Add3("POST", "ui-telemetry", Nothing);
  routes.Add3("GET", "workspaces", NoWorkspaces);
}

}  // namespace slipway::api::mlflow
