// SPDX-License-Identifier: Apache-2.0
// /api/v1/predictions, /labels, /monitoring and /alerts.
#include "api/native/answers.h"
#include "api/native/native.h"

namespace slipway::api::native {
namespace {

using base::Json;
using monitoring::LoggedPrediction;

constexpr double kNanosPerMilli = 1e6;

// One row's value: a scalar where there is one element, else a list.
Json CellJson(const inference::Tensor& tensor) {
  auto at = [&tensor](int64_t i) -> Json {
    if (tensor.type() == inference::DataType::kString)
      return tensor.strings()[static_cast<size_t>(i)];
    if (tensor.type() == inference::DataType::kBool) return tensor.NumberAt(i) != 0;
    const double value = tensor.NumberAt(i);
    const bool floating = tensor.type() == inference::DataType::kFp16 ||
                          tensor.type() == inference::DataType::kBf16 ||
                          tensor.type() == inference::DataType::kFp32 ||
                          tensor.type() == inference::DataType::kFp64;
    return floating ? Json(value) : Json(static_cast<int64_t>(value));
  };
  if (tensor.element_count() == 1) return at(0);
  Json list = Json::MakeArray();
  for (int64_t i = 0; i < tensor.element_count(); ++i) list.Append(at(i));
  return list;
}

Json TensorsJson(const std::vector<inference::NamedTensor>& tensors) {
  Json json = Json::MakeObject();
  for (const inference::NamedTensor& tensor : tensors)
    json.Set(tensor.name, CellJson(tensor.tensor));
  return json;
}

Json PredictionJson(monitoring::Monitor& monitor, const LoggedPrediction& prediction) {
  const monitoring::PredictionRecord& record = prediction.record;
  Json label;
  if (const auto known = monitor.LabelOf(prediction.id)) {
    label = Json::MakeObject({{"value", monitoring::ToJson(known->value)},
                              {"time", base::FormatTime(known->time)},
                              {"delay_s", static_cast<double>(known->delay) / base::kSecond}});
  }
  return Json::MakeObject(
      {{"id", prediction.id},
       {"time", base::FormatTime(record.time)},
       {"endpoint", record.endpoint},
       {"model", record.model},
       {"version", record.version},
       {"arm", record.arm},
       {"plan_epoch", record.plan_epoch},
       {"key", record.key},
       {"request_id", record.request_id},
       {"protocol", record.protocol},
       {"latency_ms",
        Json::MakeObject({{"queue", static_cast<double>(record.queue_ns) / kNanosPerMilli},
                          {"run", static_cast<double>(record.run_ns) / kNanosPerMilli},
                          {"total", static_cast<double>(record.total_ns) / kNanosPerMilli}})},
       {"cached", record.cached},
       {"status", base::CodeName(static_cast<base::Code>(record.status_code))},
       {"error", record.error},
       {"inputs", TensorsJson(record.inputs)},
       {"outputs", TensorsJson(record.outputs)},
       {"label", std::move(label)}});
}

base::Result<Json> ListPredictions(monitoring::Monitor& monitor, const net::HttpRequest& request) {
  monitoring::PredictionFilter filter;
  filter.endpoint = request.GetQuery("endpoint").value_or("");
  filter.version = TRY(NumberQuery(request, "version"));
  filter.arm = request.GetQuery("arm").value_or("");
  filter.since = TRY(TimeQuery(request, "since"));
  filter.until = TRY(TimeQuery(request, "until"));
  filter.limit = TRY(LimitOf(request));
  filter.page_token = request.GetQuery("page_token").value_or("");
  const std::string status = request.GetQuery("status").value_or("all");
  if (status == "ok") {
    filter.status = monitoring::StatusFilter::kOk;
  } else if (status == "failed") {
    filter.status = monitoring::StatusFilter::kFailed;
  } else if (status != "all") {
    return base::InvalidArgument("status", "expected all, ok or failed");
  }
  const monitoring::PredictionPage page = TRY(monitor.ListPredictions(filter));
  Json predictions = Json::MakeArray();
  for (const LoggedPrediction& prediction : page.predictions)
    predictions.Append(PredictionJson(monitor, prediction));
  Json answer = Json::MakeObject({{"predictions", std::move(predictions)}});
  if (!page.next_page_token.empty()) answer.Set("next_page_token", page.next_page_token);
  return answer;
}

base::Result<Json> CountPredictions(monitoring::Monitor& monitor, const net::HttpRequest& request) {
  monitor.Flush();
  const monitoring::PredictionCount count =
      monitor.Count(request.GetQuery("endpoint").value_or(""));
  return Json::MakeObject({{"requests", count.requests},
                           {"rows", count.rows},
                           {"failed_requests", count.failed_requests},
                           {"failed_rows", count.failed_rows}});
}

base::Result<monitoring::LabelInput> ReadLabel(const Json& json, const std::string& field,
                                               base::Micros now) {
  if (!json.is_object())
    return base::InvalidArgument(field, "expected an object, got " + std::string(json.TypeName()));
  auto annotate = [&field](base::Status status) {
    return base::Status(status.code(), status.reason(), status.message(),
                        field + "." + status.field());
  };
  if (auto status =
          base::RequireOnly(json, {"prediction_id", "request_id", "row", "value", "time"});
      !status.ok()) {
    return annotate(status);
  }
  monitoring::LabelInput label;
  auto prediction = base::OptionalString(json, "prediction_id");
  auto request = base::OptionalString(json, "request_id");
  auto row = base::OptionalInt(json, "row");
  auto time = base::OptionalString(json, "time");
  for (const base::Status& status :
       {prediction.status(), request.status(), row.status(), time.status()}) {
    if (!status.ok()) return annotate(status);
  }
  label.prediction_id = prediction->value_or("");
  label.request_id = request->value_or("");
  label.row = row->value_or(0);
  label.time = now;
  if (*time) {
    const auto parsed = base::ParseTime(**time);
    if (!parsed.ok()) return base::InvalidArgument(field + ".time", parsed.status().message());
    label.time = *parsed;
  }
  const Json* value = json.Find("value");
  if (value == nullptr)
    return base::InvalidArgument(field + ".value", "missing: expected the true label");
  label.value = TRY(monitoring::LabelValueFromJson(*value, field + ".value"));
  return label;
}

base::Result<Json> AddLabels(const Parts& parts, const net::HttpRequest& request) {
  const Json body = TRY(ReadBody(request, {"endpoint", "labels"}));
  const std::string endpoint = TRY(base::RequireString(body, "endpoint"));
  const Json* list = body.Find("labels");
  if (list == nullptr || !list->is_array())
    return base::InvalidArgument("labels", "expected an array");
  if (list->AsArray().size() > monitoring::kMaxLabelsInBatch) {
    return base::InvalidArgument(
        "labels", "at most " + std::to_string(monitoring::kMaxLabelsInBatch) + " in one call");
  }
  std::vector<monitoring::LabelInput> labels;
  labels.reserve(list->AsArray().size());
  const base::Micros now = parts.clock.Now();
  for (size_t i = 0; i < list->AsArray().size(); ++i) {
    labels.push_back(TRY(ReadLabel(list->AsArray()[i], "labels[" + std::to_string(i) + "]", now)));
  }
  const monitoring::LabelOutcome outcome = TRY(parts.monitor.AddLabels(endpoint, labels));
  return Json::MakeObject({{"accepted", outcome.accepted},
                           {"duplicate", outcome.duplicate},
                           {"corrected", outcome.corrected},
                           {"unmatched", outcome.unmatched}});
}

// "feature=value", of a segment feature.
base::Status ReadSegment(const std::string& text, monitoring::Slice& slice) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    return base::InvalidArgument("segment", "expected feature=value, got '" + text + "'");
  slice.segment_feature = text.substr(0, equals);
  slice.segment_value = text.substr(equals + 1);
  return base::Status::Ok();
}

base::Result<monitoring::Slice> SliceOf(const net::HttpRequest& request) {
  monitoring::Slice slice;
  slice.version = TRY(NumberQuery(request, "version"));
  slice.arm = request.GetQuery("arm");
  if (const auto segment = request.GetQuery("segment")) TRY(ReadSegment(*segment, slice));
  return slice;
}

base::Result<Json> ListWindows(monitoring::Monitor& monitor, const net::HttpRequest& request) {
  monitoring::WindowQuery query;
  query.from = TRY(TimeQuery(request, "from"));
  query.until = TRY(TimeQuery(request, "until"));
  query.slice = TRY(SliceOf(request));
  const int64_t limit = TRY(LimitOf(request));
  const std::string by = request.GetQuery("by").value_or("");
  constexpr std::string_view kBySegment = "segment:";
  if (by == "version") {
    query.split = monitoring::Split::kVersion;
  } else if (by == "arm") {
    query.split = monitoring::Split::kArm;
  } else if (by.starts_with(kBySegment)) {
    query.split = monitoring::Split::kSegment;
    query.slice.segment_feature = by.substr(kBySegment.size());
  } else if (!by.empty()) {
    return base::InvalidArgument("by",
                                 "expected version, arm or segment:FEATURE, got '" + by + "'");
  }
  const auto reports = TRY(monitor.WindowsBy(request.GetParam("endpoint"), query));
  Json windows = Json::MakeArray();
  const size_t skip =
      reports.size() > static_cast<size_t>(limit) ? reports.size() - static_cast<size_t>(limit) : 0;
  for (size_t i = skip; i < reports.size(); ++i) windows.Append(ToJson(reports[i]));
  return Json::MakeObject({{"windows", std::move(windows)}});
}

base::Result<monitoring::DriftQuery> DriftQueryOf(const net::HttpRequest& request) {
  monitoring::DriftQuery query;
  if (request.GetQuery("window").value_or("latest") != "latest")
    query.start = TRY(TimeQuery(request, "window"));
  query.from = TRY(TimeQuery(request, "from"));
  query.until = TRY(TimeQuery(request, "until"));
  if (query.start && (query.from || query.until))
    return base::InvalidArgument("window", "expected either window or from and until");
  query.slice = TRY(SliceOf(request));
  return query;
}

base::Result<Json> ShowDrift(monitoring::Monitor& monitor, const net::HttpRequest& request) {
  return ToJson(TRY(monitor.Drift(request.GetParam("endpoint"), TRY(DriftQueryOf(request)))));
}

net::HttpResponse ExportProfile(monitoring::Monitor& monitor, const net::HttpRequest& request) {
  const auto query = DriftQueryOf(request);
  const auto bytes = query.ok() ? monitor.ExportProfile(request.GetParam("endpoint"), *query)
                                : base::Result<std::string>(query.status());
  if (!bytes.ok()) return net::ErrorResponse(bytes.status());
  net::HttpResponse response;
  response.SetHeader("Content-Type", "application/octet-stream");
  response.body = *bytes;
  return response;
}

base::Result<Json> ListAlerts(monitoring::Monitor& monitor, const net::HttpRequest& request) {
  monitoring::AlertFilter filter;
  filter.state = request.GetQuery("state").value_or("");
  if (!filter.state.empty() && filter.state != "firing" && filter.state != "resolved") {
    return base::InvalidArgument("state", "expected firing or resolved");
  }
  filter.endpoint = request.GetQuery("endpoint").value_or("");
  filter.limit = TRY(LimitOf(request));
  Json alerts = Json::MakeArray();
  for (const monitoring::Alert& alert : TRY(monitor.ListAlerts(filter)))
    alerts.Append(ToJson(alert));
  return Json::MakeObject({{"alerts", std::move(alerts)}});
}

}  // namespace

void RegisterMonitoring(net::Router& router, const Parts& parts) {
  monitoring::Monitor& monitor = parts.monitor;
  AddJson(router, "GET", "/api/v1/predictions",
          [&monitor](net::HttpRequest& request) { return ListPredictions(monitor, request); });
  AddJson(router, "GET", "/api/v1/predictions/count",
          [&monitor](net::HttpRequest& request) { return CountPredictions(monitor, request); });
  AddJson(router, "GET", "/api/v1/predictions/{id}",
          [&monitor](net::HttpRequest& request) -> base::Result<Json> {
            return PredictionJson(monitor, TRY(monitor.GetPrediction(request.GetParam("id"))));
          });
  AddJson(router, "POST", "/api/v1/labels",
          [parts](net::HttpRequest& request) { return AddLabels(parts, request); });
  AddJson(router, "GET", "/api/v1/monitoring/{endpoint}/windows",
          [&monitor](net::HttpRequest& request) { return ListWindows(monitor, request); });
  AddJson(router, "GET", "/api/v1/monitoring/{endpoint}/drift",
          [&monitor](net::HttpRequest& request) { return ShowDrift(monitor, request); });
  router.AddBlocking(
      "GET", "/api/v1/monitoring/{endpoint}/profile",
      [&monitor](net::HttpRequest& request) { return ExportProfile(monitor, request); });
  AddJson(router, "GET", "/api/v1/alerts",
          [&monitor](net::HttpRequest& request) { return ListAlerts(monitor, request); });
  AddJson(router, "GET", "/api/v1/alerts/rules",
          [&process = parts.process](net::HttpRequest&) -> base::Result<Json> {
            Json rules = Json::MakeArray();
            for (const std::string& rule : process.alert_rules) rules.Append(rule);
            Json sinks = Json::MakeArray();
            for (const std::string& sink : process.alert_sinks) sinks.Append(sink);
            return Json::MakeObject({{"rules", std::move(rules)}, {"sinks", std::move(sinks)}});
          });
}

}  // namespace slipway::api::native
