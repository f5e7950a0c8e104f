// SPDX-License-Identifier: Apache-2.0
// Health, readiness, metrics, information, settings and the clock.
#include <algorithm>
#include <charconv>

#include "api/native/answers.h"
#include "api/native/native.h"
#include "embedded/openapi.h"
#include "slipway_build_config.h"

namespace slipway::api::native {
namespace {

using base::Json;

std::string_view OriginName(base::Origin origin) {
  switch (origin) {
    case base::Origin::kDefault:
      return "default";
    case base::Origin::kFile:
      return "file";
    case base::Origin::kEnvironment:
      return "environment";
    case base::Origin::kFlag:
      return "flag";
  }
  return "default";
}

net::HttpResponse Ready(const ProcessFacts& process) {
  switch (process.readiness.load()) {
    case Readiness::kReady:
      return net::HttpResponse::Json(200, R"({"status":"ready"})");
    case Readiness::kDraining:
      return net::HttpResponse::Json(503, R"({"status":"draining"})");
    case Readiness::kStarting:
      break;
  }
  return net::HttpResponse::Json(503, R"({"status":"starting"})");
}

struct MetricsFormat {
  std::string_view media_type;
  std::string_view content_type;
  std::string (base::Metrics::*print)() const;
};
constexpr MetricsFormat kMetricsFormats[] = {
    {"text/plain", "text/plain; version=0.0.4; charset=utf-8", &base::Metrics::PrintPrometheusText},
    {"application/openmetrics-text", "application/openmetrics-text; version=1.0.0; charset=utf-8",
     &base::Metrics::PrintOpenMetrics},
    {"application/vnd.google.protobuf",
     "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
     &base::Metrics::PrintProtobuf},
};

// The format that Accept wants most; text for whoever does not say.
const MetricsFormat& ChooseFormat(std::string_view accept) {
  const MetricsFormat* best = &kMetricsFormats[0];
  double best_weight = 0;
  while (!accept.empty()) {
    const std::string_view part = accept.substr(0, accept.find(','));
    accept.remove_prefix(std::min(part.size() + 1, accept.size()));
    const size_t at = part.find("q=");
    double weight = 1;
    if (at != std::string_view::npos)
      std::from_chars(part.data() + at + 2, part.data() + part.size(), weight);
    for (const MetricsFormat& format : kMetricsFormats) {
      if (part.find(format.media_type) == std::string_view::npos || weight <= best_weight) continue;
      best = &format;
      best_weight = weight;
    }
  }
  return *best;
}

net::HttpResponse PrintMetrics(const base::Metrics& metrics, const net::HttpRequest& request) {
  const MetricsFormat& format = ChooseFormat(request.GetHeader("Accept"));
  net::HttpResponse response = net::HttpResponse::Text(200, (metrics.*format.print)());
  response.SetHeader("Content-Type", std::string(format.content_type));
  return response;
}

Json ClockJson(const Parts& parts) {
  return Json::MakeObject(
      {{"mode", parts.process.clock_mode}, {"now", base::FormatTime(parts.clock.Now())}});
}

Json SettingsJson(const std::vector<base::SettingRow>& rows) {
  Json settings = Json::MakeArray();
  for (const base::SettingRow& row : rows) {
    settings.Append(Json::MakeObject({{"key", row.key},
                                      {"type", row.type},
                                      {"value", row.value},
                                      {"default", row.default_value},
                                      {"origin", OriginName(row.origin)},
                                      {"where", row.where},
                                      {"help", row.help}}));
  }
  return Json::MakeObject({{"settings", std::move(settings)}});
}

base::Result<Json> SetClock(const Parts& parts, const net::HttpRequest& request) {
  const Json body = TRY(ReadBody(request, {"now"}));
  const auto now = base::ParseTime(TRY(base::RequireString(body, "now")));
  if (!now.ok()) return base::InvalidArgument("now", now.status().message());
  TRY(parts.process.set_clock(*now));
  return ClockJson(parts);
}

}  // namespace

void RegisterOperations(net::Router& router, const Parts& parts) {
  ProcessFacts& process = parts.process;
  router.Add("GET", "/health", [](net::HttpRequest, net::Respond respond) {
    respond(net::HttpResponse::Json(200, R"({"status":"ok"})"));
  });
  router.Add("GET", "/openapi.json", [](net::HttpRequest, net::Respond respond) {
    respond(net::HttpResponse::Json(200, std::string(embedded::Openapi()[0].bytes)));
  });
  // The same in the words of MLflow's, SageMaker's and TorchServe's health checks.
  router.Add("GET", "/ping", [](net::HttpRequest, net::Respond respond) {
    respond(net::HttpResponse::Json(200, R"({"status":"Healthy"})"));
  });
  router.Add("GET", "/ready",
             [&process](net::HttpRequest, net::Respond respond) { respond(Ready(process)); });
  router.AddBlocking("GET", "/metrics", [&metrics = parts.metrics](net::HttpRequest& request) {
    return PrintMetrics(metrics, request);
  });
  AddJson(router, "GET", "/api/v1/info", [parts](net::HttpRequest&) -> base::Result<Json> {
    return Json::MakeObject({{"version", SLIPWAY_VERSION},
                             {"started", base::FormatTime(parts.process.started)},
                             {"clock", ClockJson(parts)},
                             {"data", parts.process.data_folder}});
  });
  AddJson(router, "GET", "/api/v1/config", [&process](net::HttpRequest&) -> base::Result<Json> {
    return SettingsJson(process.settings);
  });
  AddJson(router, "GET", "/api/v1/clock",
          [parts](net::HttpRequest&) -> base::Result<Json> { return ClockJson(parts); });
  AddJson(router, "POST", "/api/v1/clock",
          [parts](net::HttpRequest& request) { return SetClock(parts, request); });
}

}  // namespace slipway::api::native
