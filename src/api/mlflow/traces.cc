// SPDX-License-Identifier: Apache-2.0
// MLflow's traces: /v1/traces (OpenTelemetry), 3.0/mlflow/traces, and 2.0's for older clients.
#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/mlflow/call.h"
#include "api/mlflow/encode.h"
#include "api/mlflow/errors.h"
#include "api/mlflow/grammar.h"
#include "api/mlflow/otlp.h"
#include "api/mlflow/search_fields.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/status.h"
#include "net/http.h"
#include "tracking/tracking.h"

namespace slipway::api::mlflow {
namespace {

using base::Json;
using base::Result;
using Texts = std::map<std::string, std::string>;

constexpr int64_t kUsualTraces = 100;
constexpr std::string_view kStates[] = {"STATE_UNSPECIFIED", "OK", "ERROR", "IN_PROGRESS"};

// --- Encoding
Json ObjectOf(const Texts& texts) {
  Json object = Json::MakeObject();
  for (const auto& [key, value] : texts) object.Set(key, value);
  return object;
}

// Protobuf's JSON of a Duration: "1.5s".
std::string SecondsOf(int64_t ms) {
  const std::string rest = std::to_string(1000 + ms % 1000);
  return std::to_string(ms / 1000) + "." + rest.substr(1) + "s";
}

Json InfoJson(const tracking::TraceInfo& info) {
  Json json = Json::MakeObject(
      {{"trace_id", info.trace_id},
       {"trace_location",
        Json::MakeObject(
            {{"type", "MLFLOW_EXPERIMENT"},
             {"mlflow_experiment", Json::MakeObject({{"experiment_id", info.experiment_id}})}})},
       {"request_time", base::FormatTime(info.request_ms * base::kMillisecond)},
       {"state", info.state},
       {"trace_metadata", ObjectOf(info.metadata)},
       {"tags", ObjectOf(info.tags)},
       {"assessments", Json::MakeArray()}});
  if (!info.client_request_id.empty()) json.Set("client_request_id", info.client_request_id);
  if (!info.request_preview.empty()) json.Set("request_preview", info.request_preview);
  if (!info.response_preview.empty()) json.Set("response_preview", info.response_preview);
  if (info.duration_ms) json.Set("execution_duration", SecondsOf(*info.duration_ms));
  return json;
}

Json OldInfoJson(const tracking::TraceInfo& info) {
  Json json = Json::MakeObject(
      {{"request_id", info.trace_id},
       {"experiment_id", info.experiment_id},
       {"timestamp_ms", info.request_ms},
       {"status", info.state == kStates[0] ? "TRACE_STATUS_UNSPECIFIED" : info.state},
       {"request_metadata", TagsJson(info.metadata)},
       {"tags", TagsJson(info.tags)}});
  if (info.duration_ms) json.Set("execution_time_ms", *info.duration_ms);
  return json;
}

Result<Json> TraceJson(const tracking::Trace& trace) {
  Json spans = Json::MakeArray();
  for (const std::string& span : trace.spans) spans.Append(TRY(Json::Parse(span)));
  return Json::MakeObject({{"trace_info", InfoJson(trace.info)}, {"spans", std::move(spans)}});
}

// --- Decoding
Result<Texts> OptionalMap(const Json& fields, std::string_view name) {
  Texts texts;
  const Json* value = fields.Find(name);
  if (value == nullptr || value->is_null()) return texts;
  if (!value->is_object()) return WrongType(*value, name, "an object of strings");
  for (const auto& [key, text] : value->AsObject()) {
    if (!text.is_string()) return WrongType(text, name, "an object of strings");
    texts[key] = text.AsString();
  }
  return texts;
}

// Protobuf's JSON allows an enumeration's number.
Result<std::string> OptionalState(const Json& fields, std::string_view name) {
  const Json* value = fields.Find(name);
  if (value != nullptr && value->is_int() && value->AsInt() >= 0 && value->AsInt() <= 3)
    return std::string(kStates[value->AsInt()]);
  const std::string state = TRY(OptionalText(fields, name));
  if (state.empty() || state == "TRACE_STATUS_UNSPECIFIED") return std::string(kStates[0]);
  for (const std::string_view known : kStates) {
    if (state == known) return state;
  }
  return WrongType(*value, name, "OK, ERROR or IN_PROGRESS");
}

Result<std::optional<int64_t>> OptionalDuration(const Json& fields, std::string_view name) {
  const std::string text = TRY(OptionalText(fields, name));
  if (text.empty()) return std::optional<int64_t>();
  const Json number = Json(text.substr(0, text.size() - 1));
  const Result<double> seconds =
      RequireDoubleValue(Json::MakeObject({{std::string(name), number}}), name);
  if (!text.ends_with('s') || !seconds.ok())
    return WrongType(Json(text), name, "a duration such as 1.5s");
  return std::optional(static_cast<int64_t>(std::llround(*seconds * 1000.0)));
}

Result<std::string> ExperimentOf(const Json& location) {
  const Json* experiment = location.Find("mlflow_experiment");
  if (experiment == nullptr || !experiment->is_object()) return Missing("mlflow_experiment");
  return RequireText(*experiment, "experiment_id");
}

Result<tracking::TraceInfo> DecodeInfo(const Json& fields) {
  const Json* location = fields.Find("trace_location");
  if (location == nullptr || !location->is_object()) return Missing("trace_location");
  tracking::TraceInfo info;
  info.trace_id = TRY(RequireText(fields, "trace_id"));
  info.experiment_id = TRY(ExperimentOf(*location));
  info.client_request_id = TRY(OptionalText(fields, "client_request_id"));
  info.request_preview = TRY(OptionalText(fields, "request_preview"));
  info.response_preview = TRY(OptionalText(fields, "response_preview"));
  info.request_ms =
      TRY(base::ParseTime(TRY(RequireText(fields, "request_time")))) / base::kMillisecond;
  info.duration_ms = TRY(OptionalDuration(fields, "execution_duration"));
  info.state = TRY(OptionalState(fields, "state"));
  info.metadata = TRY(OptionalMap(fields, "trace_metadata"));
  info.tags = TRY(OptionalMap(fields, "tags"));
  return info;
}

Result<tracking::Trace> Find(Rooms& rooms, const std::string& trace_id) {
  std::vector<tracking::Trace> found = TRY(rooms.tracking.GetTraces({trace_id}));
  if (!found.empty()) return std::move(found.front());
  return base::NotFound("trace_not_found", "Trace with ID '" + trace_id + "' not found.");
}

// --- Handlers
Result<Json> Start(Rooms& rooms, const Call& call) {
  const Json* trace = call.fields.Find("trace");
  const Json* fields = trace != nullptr ? trace->Find("trace_info") : nullptr;
  if (fields == nullptr || !fields->is_object()) return Missing("trace.trace_info");
  const auto info = TRY(rooms.tracking.PutTrace(TRY(DecodeInfo(*fields))));
  return Json::MakeObject({{"trace", Json::MakeObject({{"trace_info", InfoJson(info)}})}});
}

Result<Json> GetInfo(Rooms& rooms, const Call& call) {
  const auto trace = TRY(Find(rooms, call.http.GetParam("trace_id")));
  return Json::MakeObject({{"trace", Json::MakeObject({{"trace_info", InfoJson(trace.info)}})}});
}

Result<Json> Get(Rooms& rooms, const Call& call) {
  const auto trace = TRY(Find(rooms, TRY(RequireText(call.fields, "trace_id"))));
  return Json::MakeObject({{"trace", TRY(TraceJson(trace))}});
}

Result<Json> BatchGet(Rooms& rooms, const Call& call) {
  Json traces = Json::MakeArray();
  for (const auto& trace :
       TRY(rooms.tracking.GetTraces(TRY(OptionalTexts(call.fields, "trace_ids")))))
    traces.Append(TRY(TraceJson(trace)));
  return Json::MakeObject({{"traces", std::move(traces)}});
}

Result<Json> BatchGetInfos(Rooms& rooms, const Call& call) {
  Json infos = Json::MakeArray();
  for (const auto& trace :
       TRY(rooms.tracking.GetTraces(TRY(OptionalTexts(call.fields, "trace_ids")))))
    infos.Append(InfoJson(trace.info));
  return Json::MakeObject({{"trace_infos", std::move(infos)}});
}

Result<Json> SearchIn(Rooms& rooms, const Call& call, std::vector<std::string> experiment_ids,
                      Json (*encode)(const tracking::TraceInfo&)) {
  Json fields = call.fields;
  if (!TRY(OptionalNumber(fields, "max_results"))) fields.Set("max_results", kUsualTraces);
  tracking::SearchQuery query = TRY(DecodeSearch(fields, "", TraceGrammar()));
  if (query.limit > tracking::kMostTracesPerPage) {
    return WrongType(Json(query.limit), "max_results",
                     "1 to " + std::to_string(tracking::kMostTracesPerPage));
  }
  query.experiment_ids = std::move(experiment_ids);
  const auto page = TRY(rooms.tracking.SearchTraces(query));
  Json traces = Json::MakeArray();
  for (const tracking::TraceInfo& info : page.items) traces.Append(encode(info));
  Json answer = Json::MakeObject({{"traces", std::move(traces)}});
  if (page.more) answer.Set("next_page_token", TokenFor(query.offset + query.limit));
  return answer;
}

Result<Json> Search(Rooms& rooms, const Call& call) {
  const Json::Array* locations = TRY(OptionalObjects(call.fields, "locations"));
  if (locations == nullptr) return Missing("locations");
  std::vector<std::string> ids;
  for (const Json& location : *locations) ids.push_back(TRY(ExperimentOf(location)));
  return SearchIn(rooms, call, std::move(ids), InfoJson);
}

Result<Json> SetTag(Rooms& rooms, const Call& call) {
  TRY(rooms.tracking.SetTraceTag(call.http.GetParam("trace_id"),
                                 TRY(RequireText(call.fields, "key")),
                                 TRY(OptionalText(call.fields, "value"))));
  return Json::MakeObject();
}

Result<Json> DeleteTag(Rooms& rooms, const Call& call) {
  TRY(rooms.tracking.DeleteTraceTag(call.http.GetParam("trace_id"),
                                    TRY(RequireText(call.fields, "key"))));
  return Json::MakeObject();
}

Result<Json> Delete(Rooms& rooms, const Call& call) {
  tracking::TraceDeletion deletion;
  deletion.experiment_id = TRY(RequireText(call.fields, "experiment_id"));
  deletion.trace_ids = TRY(OptionalTexts(call.fields, "request_ids"));
  deletion.until_ms = TRY(OptionalNumber(call.fields, "max_timestamp_millis"));
  deletion.most = TRY(OptionalNumber(call.fields, "max_traces"));
  return Json::MakeObject({{"traces_deleted", TRY(rooms.tracking.DeleteTraces(deletion))}});
}

// --- Before MLflow 3: a trace is opened, then ended; its spans are an artifact.
Result<Json> StartOld(Rooms& rooms, const Call& call) {
  tracking::TraceInfo info;
  info.experiment_id = TRY(RequireText(call.fields, "experiment_id"));
  info.request_ms = TRY(OptionalNumber(call.fields, "timestamp_ms")).value_or(0);
  info.metadata = TRY(OptionalTags(call.fields, "request_metadata"));
  info.tags = TRY(OptionalTags(call.fields, "tags"));
  return Json::MakeObject(
      {{"trace_info", OldInfoJson(TRY(rooms.tracking.PutTrace(std::move(info))))}});
}

Result<Json> EndOld(Rooms& rooms, const Call& call) {
  tracking::TraceInfo info = TRY(Find(rooms, call.http.GetParam("trace_id"))).info;
  const std::optional<int64_t> end = TRY(OptionalNumber(call.fields, "timestamp_ms"));
  if (!end) return Missing("timestamp_ms");
  info.duration_ms = *end - info.request_ms;
  info.state = TRY(OptionalState(call.fields, "status"));
  for (auto& [key, value] : TRY(OptionalTags(call.fields, "request_metadata")))
    info.metadata[key] = value;
  for (auto& [key, value] : TRY(OptionalTags(call.fields, "tags"))) info.tags[key] = value;
  return Json::MakeObject(
      {{"trace_info", OldInfoJson(TRY(rooms.tracking.PutTrace(std::move(info))))}});
}

Result<Json> GetOld(Rooms& rooms, const Call& call) {
  const auto trace = TRY(Find(rooms, call.http.GetParam("trace_id")));
  return Json::MakeObject({{"trace_info", OldInfoJson(trace.info)}});
}

Result<Json> SearchOld(Rooms& rooms, const Call& call) {
  return SearchIn(rooms, call, TRY(OptionalTexts(call.fields, "experiment_ids")), OldInfoJson);
}

// --- OpenTelemetry
base::Status Ingest(Rooms& rooms, const net::HttpRequest& request) {
  constexpr std::string_view kProtobuf = "application/x-protobuf";
  const std::string type(request.GetHeader("Content-Type"));
  if (!type.starts_with(kProtobuf)) {
    return base::InvalidArgument(
        "", "Invalid Content-Type: " + type + ". Expected: " + std::string(kProtobuf));
  }
  const std::string experiment(request.GetHeader("X-Mlflow-Experiment-Id"));
  if (experiment.empty()) return Missing("x-mlflow-experiment-id");
  return rooms.tracking.LogSpans(experiment, TRY(ParseOtlp(request.body)));
}

}  // namespace

void AddTraceRoutes(Routes& routes) {
  routes.Add3("POST", "traces", Start);
  routes.Add3("GET", "traces/{trace_id}", GetInfo);
  routes.Add3("GET", "traces/get", Get);
  routes.Add3("GET", "traces/batchGet", BatchGet);
  routes.Add3("POST", "traces/batchGetInfos", BatchGetInfos);
  routes.Add3("POST", "traces/search", Search);
  routes.Add3("PATCH", "traces/{trace_id}/tags", SetTag);
  routes.Add3("DELETE", "traces/{trace_id}/tags", DeleteTag);
  routes.Add3("POST", "traces/delete-traces", Delete);
  routes.Add("POST", "traces", StartOld);
  routes.Add("GET", "traces", SearchOld);
  routes.Add("PATCH", "traces/{trace_id}", EndOld);
  routes.Add("GET", "traces/{trace_id}/info", GetOld);
  routes.Add("PATCH", "traces/{trace_id}/tags", SetTag);
  routes.Add("DELETE", "traces/{trace_id}/tags", DeleteTag);
  routes.Add("POST", "traces/delete-traces", Delete);
  routes.router().AddBlocking(
      "POST", "/v1/traces", [rooms = routes.rooms()](net::HttpRequest& request) {
        const base::Status status = Ingest(*rooms, request);
        if (!status.ok()) return ErrorResponse(status);
        net::HttpResponse response = net::HttpResponse::Text(200, "");  // an empty message
        response.SetHeader("Content-Type", "application/x-protobuf");
        return response;
      });
}

}  // namespace slipway::api::mlflow
