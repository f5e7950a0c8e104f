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

Json FeatureViewsJson(const monitoring::PredictionRecord& record) {
  Json views = Json::MakeArray();
  for (const monitoring::FeatureViewVersion& view : record.feature_views)
    views.Append(Json::MakeObject({{"name", view.name}, {"version", view.version}}));
  return views;
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
       {"feature_views", FeatureViewsJson(record)},
       {"status", base::CodeName(static_cast<base::Code>(record.status_code))},
       {"error", record.error},
       {"inputs", TensorsJson(record.inputs)},
       {"outputs", TensorsJson(record.outputs)},
       {"label", std::move(label)}});
}

base::Result<std::optional<double>> DecimalQuery(const net::HttpRequest& request,
                                                 std::string_view name) {
  const auto text = request.GetQuery(name);
  if (!text) return std::optional<double>();
  const auto number = Json::Parse(*text);
  if (!number.ok() || !number->is_number())
    return base::InvalidArgument(std::string(name), "expected a number, got '" + *text + "'");
  return std::optional<double>(number->AsDouble());
}

bool HasValue(const monitoring::PredictionRecord& record, const std::string& name,
              const std::string& value) {
  for (const inference::NamedTensor& tensor : record.inputs) {
    if (tensor.name != name) continue;
    const Json cell = CellJson(tensor.tensor);
    if (cell.is_string()) return cell.AsString() == value;
    const auto wanted = Json::Parse(value);
    if (cell.is_number()) {
      // A 32-bit feature is compared as one: 0.1 finds what was sent as 0.1.
      return wanted.ok() && wanted->is_number() &&
             (cell.AsDouble() == wanted->AsDouble() ||
              (tensor.tensor.type() == inference::DataType::kFp32 &&
               cell.AsDouble() == double{static_cast<float>(wanted->AsDouble())}));
    }
    return cell.Dump() == value;
  }
  return false;
}

// ?score_min=&score_max=&feature=NAME:VALUE
base::Result<std::function<bool(const LoggedPrediction&)>> RowFilterOf(
    const monitoring::Monitor& monitor, const net::HttpRequest& request) {
  const auto least = TRY(DecimalQuery(request, "score_min"));
  const auto most = TRY(DecimalQuery(request, "score_max"));
  const std::string feature = request.GetQuery("feature").value_or("");
  const size_t colon = feature.find(':');
  if (!feature.empty() && colon == std::string::npos)
    return base::InvalidArgument("feature", "expected NAME:VALUE");
  std::function<bool(const LoggedPrediction&)> filter;
  if (!least && !most && feature.empty()) return filter;
  const std::string name = feature.substr(0, colon);
  const std::string value = feature.empty() ? "" : feature.substr(colon + 1);
  filter = [&monitor, least, most, name, value](const LoggedPrediction& prediction) {
    if (!name.empty() && !HasValue(prediction.record, name, value)) return false;
    if (!least && !most) return true;
    const auto score = monitor.ScoreOf(prediction);
    return score && (!least || *score >= *least) && (!most || *score <= *most);
  };
  return filter;
}

base::Result<Json> RunSql(monitoring::Monitor& monitor, const net::HttpRequest& request) {
  const Json body = TRY(ReadBody(request, {"query", "limit"}));
  const std::string query = TRY(base::RequireString(body, "query"));
  const int64_t limit = TRY(base::OptionalInt(body, "limit")).value_or(kMostRows);
  monitoring::SqlAnswer found = TRY(monitor.Query(query, limit));
  Json columns = Json::MakeArray();
  for (const auto& column : found.columns)
    columns.Append(Json::MakeObject({{"name", column.name}, {"type", column.type}}));
  Json rows = Json::MakeArray();
  for (std::vector<Json>& row : found.rows) rows.Append(Json(Json::Array(std::move(row))));
  return Json::MakeObject(
      {{"columns", std::move(columns)}, {"rows", std::move(rows)}, {"truncated", found.truncated}});
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
  filter.accepts = TRY(RowFilterOf(monitor, request));
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
  RegisterLabels(router, parts);
  AddJson(router, "POST", "/api/v1/sql",
          [&monitor](net::HttpRequest& request) { return RunSql(monitor, request); });
  AddJson(router, "GET", "/api/v1/monitoring/{endpoint}/windows",
          [&monitor](net::HttpRequest& request) { return ListWindows(monitor, request); });
  AddJson(router, "GET", "/api/v1/monitoring/{endpoint}/drift",
          [&monitor](net::HttpRequest& request) { return ShowDrift(monitor, request); });
  router.AddBlocking(
      "GET", "/api/v1/monitoring/{endpoint}/profile",
      [&monitor](net::HttpRequest& request) { return ExportProfile(monitor, request); });
}

}  // namespace slipway::api::native
