// SPDX-License-Identifier: Apache-2.0
// Prometheus' Alertmanager, API v2: told of what fires again and again, because it forgets what it
// has not heard of for its resolve_timeout (5 minutes by default).
#include <algorithm>
#include <string>
#include <utility>

#include "monitoring/sinks.h"
#include "monitoring/sinks/message.h"

namespace slipway::monitoring {
namespace {

using base::Json;

// [a-zA-Z_][a-zA-Z0-9_]*
std::string LabelName(const std::string& name) {
  std::string safe;
  for (const char c : name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    const bool digit = c >= '0' && c <= '9';
    if (safe.empty() && digit) safe += '_';
    safe += letter || digit ? c : '_';
  }
  return safe.empty() ? "_" : safe;
}

class AlertmanagerSink final : public AlertSink {
 public:
  AlertmanagerSink(const AlertmanagerSettings& settings, const net::HttpClient& client)
      : url_(Trimmed(settings.url) + "/api/v2/alerts"),
        repeat_(settings.repeat.micros),
        client_(client) {}

  std::string_view name() const override { return "alertmanager"; }
  std::optional<base::Micros> repeat() const override { return repeat_; }

  Delivery Deliver(const AlertMessage& message, base::Micros /*now*/) override {
    const AlertFacts facts = ReadFacts(message);
    if (facts.acknowledged_now) return {};  // it has no such thing
    Json labels = Json::MakeObject();
    for (const auto& [name, value] : facts.labels) labels.Set(LabelName(name), value);
    labels.Set("alertname", facts.rule);
    labels.Set("endpoint", facts.endpoint);
    labels.Set("severity", facts.severity);
    labels.Set("service", "slipway");
    if (facts.version != 0) labels.Set("version", std::to_string(facts.version));
    Json annotations = Json::MakeObject(
        {{"summary", facts.summary}, {"incident", facts.id}, {"value", Json(facts.value).Dump()}});
    if (!facts.runbook.empty()) annotations.Set("runbook_url", facts.runbook);
    Json alert = Json::MakeObject({{"labels", std::move(labels)},
                                   {"annotations", std::move(annotations)},
                                   {"startsAt", facts.since}});
    // Without an end it holds for as long as the receiver waits; its clock need not be ours.
    if (facts.resolved_now) alert.Set("endsAt", facts.resolved);
    return PostJson(client_, url_, Json::MakeArray({std::move(alert)}).Dump());
  }

 private:
  static std::string Trimmed(std::string url) {
    while (url.ends_with('/')) url.pop_back();
    return url;
  }

  const std::string url_;
  const base::Micros repeat_;
  const net::HttpClient& client_;
};

}  // namespace

void Describe(base::Schema& schema, AlertmanagerSettings& settings) {
  schema.Add("alerts.alertmanager.url", &settings.url,
             "Address of a Prometheus Alertmanager (http://host:9093); empty: alerts do not go "
             "there.");
  schema.Add("alerts.alertmanager.repeat", &settings.repeat,
             "How often it is told again of what fires; less than its resolve_timeout.",
             base::Duration{base::kSecond}, base::Duration{base::kHour});
}

std::unique_ptr<AlertSink> MakeAlertmanagerSink(const AlertmanagerSettings& settings,
                                                const net::HttpClient& client) {
  return std::make_unique<AlertmanagerSink>(settings, client);
}

}  // namespace slipway::monitoring
