// SPDX-License-Identifier: Apache-2.0
// PagerDuty's Events API v2: an incident of theirs for each of ours, grouped by its id.
#include <string>
#include <utility>

#include "monitoring/sinks.h"
#include "monitoring/sinks/message.h"

namespace slipway::monitoring {
namespace {

using base::Json;

constexpr size_t kMostSummary = 1024;  // characters that the API keeps

std::string CutUtf8(std::string text, size_t most) {
  if (text.size() <= most) return text;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0U) == 0x80U) --most;
  text.resize(most);
  return text;
}

class PagerDutySink final : public AlertSink {
 public:
  PagerDutySink(PagerDutySettings settings, const net::HttpClient& client)
      : settings_(std::move(settings)), client_(client) {}

  std::string_view name() const override { return "pagerduty"; }

  Delivery Deliver(const AlertMessage& message, base::Micros /*now*/) override {
    const AlertFacts facts = ReadFacts(message);
    Json event = Json::MakeObject({{"routing_key", settings_.routing_key_secret},
                                   {"event_action", facts.resolved_now       ? "resolve"
                                                    : facts.acknowledged_now ? "acknowledge"
                                                                             : "trigger"},
                                   {"dedup_key", "slipway/" + facts.id}});
    if (!facts.resolved_now && !facts.acknowledged_now) {
      Json details = Json::MakeObject();
      for (const auto& [name, value] : facts.Rows()) details.Set(name, value);
      details.Set("data", facts.data);
      event.Set("client", "Slipway");
      event.Set("payload", Json::MakeObject({{"summary", CutUtf8(facts.summary, kMostSummary)},
                                             {"source", facts.endpoint},
                                             {"severity", facts.severity},
                                             {"timestamp", facts.since},
                                             {"component", facts.endpoint},
                                             {"class", facts.rule},
                                             {"custom_details", std::move(details)}}));
      if (!facts.runbook.empty()) {
        event.Set("links", Json::MakeArray(
                               {Json::MakeObject({{"href", facts.runbook}, {"text", "Runbook"}})}));
      }
    }
    return PostJson(client_, settings_.url, event.Dump());
  }

 private:
  const PagerDutySettings settings_;
  const net::HttpClient& client_;
};

}  // namespace

void Describe(base::Schema& schema, PagerDutySettings& settings) {
  schema.Add("alerts.pagerduty.routing_key_secret", &settings.routing_key_secret,
             "Integration key of a PagerDuty service (Events API v2); empty: alerts do not go "
             "there.");
  schema.Add("alerts.pagerduty.url", &settings.url, "Where PagerDuty takes events.");
}

std::unique_ptr<AlertSink> MakePagerDutySink(const PagerDutySettings& settings,
                                             const net::HttpClient& client) {
  return std::make_unique<PagerDutySink>(settings, client);
}

}  // namespace slipway::monitoring
