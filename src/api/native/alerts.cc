// SPDX-License-Identifier: Apache-2.0
// /api/v1/alerts: incidents, silences, and the rules that raise them.
#include <string>

#include "api/native/answers.h"
#include "api/native/native.h"

namespace slipway::api::native {
namespace {

using base::Json;

base::Result<Json> ListAlerts(monitoring::Monitor& monitor, const net::HttpRequest& request) {
  monitoring::AlertFilter filter;
  filter.state = request.GetQuery("state").value_or("");
  if (!filter.state.empty() && filter.state != "firing" && filter.state != "resolved" &&
      filter.state != "pending" && filter.state != "silenced") {
    return base::InvalidArgument("state", "expected pending, firing, silenced or resolved");
  }
  filter.endpoint = request.GetQuery("endpoint").value_or("");
  filter.limit = TRY(LimitOf(request));
  Json alerts = Json::MakeArray();
  for (const monitoring::Alert& alert : TRY(monitor.ListAlerts(filter)))
    alerts.Append(ToJson(alert));
  return Json::MakeObject({{"alerts", std::move(alerts)}});
}

base::Result<Json> Acknowledge(monitoring::Monitor& monitor, const net::HttpRequest& request) {
  const Json body = TRY(ReadBody(request, {"comment"}));
  const std::string comment = TRY(base::OptionalString(body, "comment")).value_or("");
  return ToJson(TRY(monitor.AcknowledgeAlert(request.GetParam("id"), ActorOf(request), comment)));
}

// {"rule", "endpoint", "version", "severity", "label": "name=pattern"} and "matcher" together.
base::Result<std::map<std::string, std::string>> MatcherOf(const Json& body) {
  std::map<std::string, std::string> matcher;
  if (const Json* given = body.Find("matcher"); given != nullptr && !given->is_null())
    matcher = TRY(monitoring::ReadMatcher(*given, "matcher"));
  for (const char* label : {"rule", "endpoint", "version", "severity"}) {
    if (const auto pattern = TRY(base::OptionalString(body, label))) matcher[label] = *pattern;
  }
  if (const auto label = TRY(base::OptionalString(body, "label"))) {
    const size_t equals = label->find('=');
    if (equals == std::string::npos || equals == 0)
      return base::InvalidArgument("label", "expected NAME=PATTERN, got '" + *label + "'");
    matcher[label->substr(0, equals)] = label->substr(equals + 1);
  }
  return matcher;
}

base::Result<Json> AddSilence(const Parts& parts, const net::HttpRequest& request) {
  const Json body = TRY(ReadBody(request, {"matcher", "rule", "endpoint", "version", "severity",
                                           "label", "starts", "until", "for", "why"}));
  const base::Micros now = parts.clock.Now();
  monitoring::Silence silence;
  silence.matcher = TRY(MatcherOf(body));
  silence.why = TRY(base::OptionalString(body, "why")).value_or("");
  silence.starts = now;
  for (const auto& [key, into] : {std::pair<const char*, base::Micros*>{"starts", &silence.starts},
                                  {"until", &silence.ends}}) {
    const auto text = TRY(base::OptionalString(body, key));
    if (!text) continue;
    const auto time = base::ParseTime(*text);
    if (!time.ok()) return base::InvalidArgument(key, time.status().message());
    *into = *time;
  }
  const auto length = TRY(base::OptionalString(body, "for"));
  if (length.has_value() == (silence.ends != 0))
    return base::InvalidArgument("until", "expected either until (a time) or for (such as 2h)");
  if (length) {
    const auto parsed = base::ParseDuration(*length);
    if (!parsed.ok()) return base::InvalidArgument("for", parsed.status().message());
    silence.ends = silence.starts + *parsed;
  }
  return ToJson(TRY(parts.monitor.silences().Add(silence, ActorOf(request), now)), now);
}

base::Result<Json> ListSilences(const Parts& parts, const net::HttpRequest& request) {
  const std::string ended = request.GetQuery("ended").value_or("false");
  if (ended != "true" && ended != "false")
    return base::InvalidArgument("ended", "expected true or false");
  const base::Micros now = parts.clock.Now();
  Json silences = Json::MakeArray();
  for (const auto& silence : TRY(parts.monitor.silences().List(ended == "true", now)))
    silences.Append(ToJson(silence, now));
  return Json::MakeObject({{"silences", std::move(silences)}});
}

base::Result<Json> ApplyRules(monitoring::Monitor& monitor, const net::HttpRequest& request) {
  const Json body = TRY(ReadBody(request, {"text", "why"}));
  const std::string text = TRY(base::OptionalString(body, "text")).value_or("");
  const std::string why = TRY(base::OptionalString(body, "why")).value_or("");
  TRY(monitor.ApplyRules(text, ActorOf(request), why));
  return monitor.RulesJson();
}

}  // namespace

void RegisterAlerts(net::Router& router, const Parts& parts) {
  monitoring::Monitor& monitor = parts.monitor;
  AddJson(router, "GET", "/api/v1/alerts",
          [&monitor](net::HttpRequest& request) { return ListAlerts(monitor, request); });
  AddJson(router, "GET", "/api/v1/alerts/{id}",
          [&monitor](net::HttpRequest& request) -> base::Result<Json> {
            return ToJson(TRY(monitor.GetAlert(request.GetParam("id"))));
          });
  AddJson(router, "POST", "/api/v1/alerts/{id}/acknowledgement",
          [&monitor](net::HttpRequest& request) { return Acknowledge(monitor, request); });
  AddJson(router, "GET", "/api/v1/alerts/silences",
          [parts](net::HttpRequest& request) { return ListSilences(parts, request); });
  AddJson(router, "POST", "/api/v1/alerts/silences",
          [parts](net::HttpRequest& request) { return AddSilence(parts, request); });
  AddJson(router, "DELETE", "/api/v1/alerts/silences/{id}",
          [parts](net::HttpRequest& request) -> base::Result<Json> {
            TRY(parts.monitor.silences().End(request.GetParam("id"), ActorOf(request),
                                             parts.clock.Now()));
            return Json::MakeObject({{"ended", request.GetParam("id")}});
          });
  AddJson(router, "GET", "/api/v1/alerts/rules",
          [&monitor](net::HttpRequest&) -> base::Result<Json> { return monitor.RulesJson(); });
  AddJson(router, "POST", "/api/v1/alerts/rules",
          [&monitor](net::HttpRequest& request) { return ApplyRules(monitor, request); });
  AddJson(
      router, "GET", "/api/v1/alerts/rules/versions",
      [&monitor](net::HttpRequest& request) -> base::Result<Json> {
        return Json::MakeObject({{"versions", TRY(monitor.RuleVersions(TRY(LimitOf(request))))}});
      });
}

}  // namespace slipway::api::native
