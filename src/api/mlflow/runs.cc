// SPDX-License-Identifier: Apache-2.0
// MLflow's runs/* and metrics/get-history.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/mlflow/call.h"
#include "api/mlflow/encode.h"
#include "api/mlflow/grammar.h"
#include "api/mlflow/search_fields.h"
#include "base/json.h"
#include "base/status.h"
#include "registry/registry.h"
#include "tracking/tracking.h"

namespace slipway::api::mlflow {
namespace {

using base::Json;
using base::Result;

constexpr int64_t kUsualHistory = 25'000;
constexpr size_t kMostBatchBytes = 1'000'000;
constexpr std::string_view kHistoryTag = "mlflow.log-model.history";

// As MLflow's server does, values that are too long are cut, not refused: what a library logs by
// itself must not stop a training.
std::string Cut(std::string text, size_t most) {
  if (text.size() <= most || tracking::Characters(text) <= most) return text;
  size_t count = 0;
  size_t end = 0;
  while (end < text.size()) {
    const bool begins = (static_cast<unsigned char>(text[end]) & 0xC0U) != 0x80U;
    if (begins && count++ == most) break;
    ++end;
  }
  text.resize(end);
  return text;
}

tracking::Tags CutTags(tracking::Tags tags) {
  for (auto& [key, value] : tags) value = Cut(std::move(value), tracking::kMostTagCharacters);
  return tags;
}

std::vector<tracking::Param> CutParams(std::vector<tracking::Param> params) {
  for (tracking::Param& param : params)
    param.value = Cut(std::move(param.value), tracking::kMostParamCharacters);
  return params;
}

std::string WithRun(const tracking::Run& run) {
  std::string answer = "{\"run\":";
  AppendRun(answer, run);
  answer += "}";
  return answer;
}

// Clients send a status by its name; protobuf's JSON also allows its number.
Result<std::optional<std::string>> StatusField(const Json& fields) {
  constexpr std::string_view kByNumber[] = {"RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"};
  const Json* value = fields.Find("status");
  if (value == nullptr || value->is_null()) return std::optional<std::string>();
  if (value->is_string()) return std::optional(value->AsString());
  if (value->is_int() && value->AsInt() >= 1 && value->AsInt() <= 5) {
    return std::optional(std::string(kByNumber[value->AsInt() - 1]));
  }
  return WrongType(*value, "status", "a run status");
}

Result<tracking::Metric> DecodeMetric(const Json& fields) {
  tracking::Metric metric;
  metric.key = TRY(RequireText(fields, "key"));
  metric.value = TRY(RequireDoubleValue(fields, "value"));
  const std::optional<int64_t> timestamp = TRY(OptionalNumber(fields, "timestamp"));
  if (!timestamp) return Missing("timestamp");
  metric.timestamp_ms = *timestamp;
  metric.step = TRY(OptionalNumber(fields, "step")).value_or(0);
  metric.model_id = TRY(OptionalText(fields, "model_id"));
  metric.dataset_name = TRY(OptionalText(fields, "dataset_name"));
  metric.dataset_digest = TRY(OptionalText(fields, "dataset_digest"));
  return metric;
}

Result<std::string> Create(Rooms& rooms, const Call& call) {
  std::string user = TRY(OptionalText(call.fields, "user_id"));
  if (user.empty()) user = call.actor.name;
  std::string experiment = TRY(OptionalText(call.fields, "experiment_id"));
  if (experiment.empty()) experiment = "0";
  const tracking::Run run =
      TRY(rooms.tracking.CreateRun(experiment, TRY(OptionalText(call.fields, "run_name")), user,
                                   TRY(OptionalNumber(call.fields, "start_time")).value_or(0),
                                   CutTags(TRY(OptionalTags(call.fields, "tags"))), call.actor));
  return WithRun(run);
}

Result<std::string> Get(Rooms& rooms, const Call& call) {
  return WithRun(TRY(rooms.tracking.GetRun(TRY(RequireRunId(call.fields)))));
}

Result<Json> Update(Rooms& rooms, const Call& call) {
  tracking::Tracking::RunUpdate update;
  update.status = TRY(StatusField(call.fields));
  update.end_ms = TRY(OptionalNumber(call.fields, "end_time"));
  const std::string name = TRY(OptionalText(call.fields, "run_name"));
  if (!name.empty()) update.name = name;
  const tracking::RunInfo info =
      TRY(rooms.tracking.UpdateRun(TRY(RequireRunId(call.fields)), update, call.actor));
  return Json::MakeObject({{"run_info", RunInfoJson(info)}});
}

Result<Json> Delete(Rooms& rooms, const Call& call) {
  TRY(rooms.tracking.DeleteRun(TRY(RequireRunId(call.fields)), call.actor));
  return Json::MakeObject();
}

Result<Json> Restore(Rooms& rooms, const Call& call) {
  TRY(rooms.tracking.RestoreRun(TRY(RequireRunId(call.fields)), call.actor));
  return Json::MakeObject();
}

Result<Json> LogMetric(Rooms& rooms, const Call& call) {
  tracking::LogBatch batch;
  batch.metrics.push_back(TRY(DecodeMetric(call.fields)));
  TRY(rooms.tracking.Log(TRY(RequireRunId(call.fields)), batch));
  return Json::MakeObject();
}

Result<Json> LogParam(Rooms& rooms, const Call& call) {
  tracking::LogBatch batch;
  batch.params.push_back(
      {TRY(RequireText(call.fields, "key")), TRY(OptionalText(call.fields, "value"))});
  batch.params = CutParams(std::move(batch.params));
  TRY(rooms.tracking.Log(TRY(RequireRunId(call.fields)), batch));
  return Json::MakeObject();
}

Result<Json> SetTag(Rooms& rooms, const Call& call) {
  tracking::LogBatch batch;
  batch.tags[TRY(RequireText(call.fields, "key"))] =
      Cut(TRY(OptionalText(call.fields, "value")), tracking::kMostTagCharacters);
  TRY(rooms.tracking.Log(TRY(RequireRunId(call.fields)), batch));
  return Json::MakeObject();
}

Result<Json> DeleteTag(Rooms& rooms, const Call& call) {
  TRY(rooms.tracking.DeleteTag(TRY(RequireRunId(call.fields)),
                               TRY(RequireText(call.fields, "key"))));
  return Json::MakeObject();
}

Result<Json> LogBatch(Rooms& rooms, const Call& call) {
  if (call.http.body.size() > kMostBatchBytes) {
    return base::InvalidArgument(
        "", "Batched logging API requests must be at most " + std::to_string(kMostBatchBytes) +
                " bytes, got one of size " + std::to_string(call.http.body.size()) + ".");
  }
  tracking::LogBatch batch;
  if (const Json::Array* metrics = TRY(OptionalObjects(call.fields, "metrics"))) {
    for (const Json& metric : *metrics) batch.metrics.push_back(TRY(DecodeMetric(metric)));
  }
  batch.params = CutParams(TRY(OptionalParams(call.fields, "params")));
  batch.tags = CutTags(TRY(OptionalTags(call.fields, "tags")));
  TRY(rooms.tracking.Log(TRY(RequireRunId(call.fields)), batch));
  return Json::MakeObject();
}

Result<std::vector<tracking::ModelLink>> DecodeModels(const Json& fields) {
  std::vector<tracking::ModelLink> models;
  const Json::Array* items = TRY(OptionalObjects(fields, "models"));
  if (items == nullptr) return models;
  for (const Json& item : *items) {
    models.push_back(
        {TRY(RequireText(item, "model_id")), TRY(OptionalNumber(item, "step")).value_or(0)});
  }
  return models;
}

Result<Json> LogInputs(Rooms& rooms, const Call& call) {
  std::vector<tracking::DatasetInput> datasets;
  if (const Json::Array* items = TRY(OptionalObjects(call.fields, "datasets"))) {
    for (const Json& item : *items) {
      const Json* about = item.Find("dataset");
      if (about == nullptr || !about->is_object()) return Missing("datasets.dataset");
      datasets.push_back({TRY(RequireText(*about, "name")), TRY(RequireText(*about, "digest")),
                          TRY(OptionalText(*about, "source_type")),
                          TRY(OptionalText(*about, "source")), TRY(OptionalText(*about, "schema")),
                          TRY(OptionalText(*about, "profile")), TRY(OptionalTags(item, "tags"))});
    }
  }
  TRY(rooms.tracking.LogInputs(TRY(RequireRunId(call.fields)), datasets,
                               TRY(DecodeModels(call.fields))));
  return Json::MakeObject();
}

Result<Json> LogOutputs(Rooms& rooms, const Call& call) {
  TRY(rooms.tracking.LogOutputs(TRY(RequireRunId(call.fields)), TRY(DecodeModels(call.fields))));
  return Json::MakeObject();
}

// Clients before MLflow 3 record the models of a run in a tag; the newest that fit into one are
// kept.
Result<Json> LogModel(Rooms& rooms, const Call& call) {
  const std::string run_id = TRY(RequireRunId(call.fields));
  Json model = TRY(Json::Parse(TRY(RequireText(call.fields, "model_json"))));
  const tracking::Run run = TRY(rooms.tracking.GetRun(run_id));
  Json history = Json::MakeArray();
  const auto tag = run.tags.find(std::string(kHistoryTag));
  if (tag != run.tags.end()) {
    Result<Json> former = Json::Parse(tag->second);
    if (former.ok() && former->is_array()) history = std::move(former).TakeValue();
  }
  history.Append(std::move(model));
  Json::Array& models = history.AsArray();
  while (models.size() > 1 && history.Dump().size() > tracking::kMostTagCharacters)
    models.erase(models.begin());
  tracking::LogBatch batch;
  batch.tags[std::string(kHistoryTag)] = history.Dump();
  TRY(rooms.tracking.Log(run_id, batch));
  return Json::MakeObject();
}

Result<Json> History(Rooms& rooms, const Call& call) {
  const int64_t offset = TRY(OffsetOf(call.fields));
  const int64_t limit = TRY(OptionalNumber(call.fields, "max_results")).value_or(kUsualHistory);
  if (limit < 1 || limit > tracking::kMostPerPage) {
    return WrongType(Json(limit), "max_results", "1 to " + std::to_string(tracking::kMostPerPage));
  }
  const tracking::Page<tracking::Metric> page =
      TRY(HistoryOf(rooms, TRY(RequireRunId(call.fields)),
                    TRY(RequireText(call.fields, "metric_key")), offset, limit));
  Json metrics = Json::MakeArray();
  for (const tracking::Metric& metric : page.items) metrics.Append(MetricJson(metric));
  Json answer = Json::MakeObject({{"metrics", std::move(metrics)}});
  if (page.more) answer.Set("next_page_token", TokenFor(offset + limit));
  return answer;
}

}  // namespace

// A run that is not there has no values, as on MLflow's server: the page compares runs that may be
// gone.
Result<tracking::Page<tracking::Metric>> HistoryOf(Rooms& rooms, const std::string& run_id,
                                                   const std::string& key, int64_t offset,
                                                   int64_t limit) {
  Result<tracking::Page<tracking::Metric>> page =
      rooms.tracking.MetricHistory(run_id, key, offset, limit);
  if (!page.ok() && page.status().reason() == "run_not_found")
    return tracking::Page<tracking::Metric>{};
  return page;
}

Result<std::string> SearchRuns(Rooms& rooms, const Call& call) {
  tracking::SearchQuery query = TRY(DecodeSearch(call.fields, "run_view_type", RunGrammar()));
  query.experiment_ids = TRY(OptionalTexts(call.fields, "experiment_ids"));
  const tracking::Page<tracking::Run> page = TRY(rooms.tracking.SearchRuns(query));
  std::string answer = "{\"runs\":[";
  for (const tracking::Run& run : page.items) {
    if (&run != &page.items.front()) answer += ",";
    AppendRun(answer, run);
  }
  answer += "]";
  if (page.more) {
    answer += ",\"next_page_token\":";
    base::AppendJsonString(answer, TokenFor(query.offset + query.limit));
  }
  answer += "}";
  return answer;
}

void AddRunRoutes(Routes& routes) {
  routes.AddText("POST", "runs/create", Create);
  routes.AddKeptText("runs/get", "tracking", Get);
  routes.Add("POST", "runs/update", Update);
  routes.Add("POST", "runs/delete", Delete);
  routes.Add("POST", "runs/restore", Restore);
  routes.AddText("POST", "runs/search", SearchRuns);
  routes.Add("POST", "runs/log-metric", LogMetric);
  routes.Add("POST", "runs/log-parameter", LogParam);
  routes.Add("POST", "runs/log-batch", LogBatch);
  routes.Add("POST", "runs/set-tag", SetTag);
  routes.Add("POST", "runs/delete-tag", DeleteTag);
  routes.Add("POST", "runs/log-inputs", LogInputs);
  routes.Add("POST", "runs/outputs", LogOutputs);
  routes.Add("POST", "runs/log-model", LogModel);
  routes.Add("GET", "metrics/get-history", History);
}

}  // namespace slipway::api::mlflow
