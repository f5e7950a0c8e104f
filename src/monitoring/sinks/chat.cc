// SPDX-License-Identifier: Apache-2.0
// Messages for people in a channel: Slack's incoming webhooks and Teams' workflow webhooks.
#include <string>
#include <utility>

#include "monitoring/sinks.h"
#include "monitoring/sinks/message.h"

namespace slipway::monitoring {
namespace {

using base::Json;

// Slack's three control characters.
std::string Escaped(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    if (c == '&') {
      safe += "&amp;";
    } else if (c == '<') {
      safe += "&lt;";
    } else if (c == '>') {
      safe += "&gt;";
    } else {
      safe += c;
    }
  }
  return safe;
}

const char* SlackColor(const AlertFacts& facts) {
  if (facts.resolved_now) return "#2e7d32";
  if (facts.severity == "critical") return "#c62828";
  return facts.severity == "warning" ? "#ef6c00" : "#1565c0";
}

Json Markdown(const std::string& text) {
  return Json::MakeObject({{"type", "mrkdwn"}, {"text", text}});
}

class SlackSink final : public AlertSink {
 public:
  SlackSink(std::string url, const net::HttpClient& client)
      : url_(std::move(url)), client_(client) {}
  std::string_view name() const override { return "slack"; }

  Delivery Deliver(const AlertMessage& message, base::Micros /*now*/) override {
    const AlertFacts facts = ReadFacts(message);
    Json fields = Json::MakeArray();
    for (const auto& [name, value] : facts.Rows()) {
      if (fields.is_array() && fields.AsArray().size() == kMostFields) break;
      fields.Append(Markdown("*" + Escaped(name) + "*\n" + Escaped(value)));
    }
    Json blocks = Json::MakeArray(
        {Json::MakeObject({{"type", "section"}, {"text", Markdown(Escaped(facts.summary))}}),
         Json::MakeObject({{"type", "section"}, {"fields", std::move(fields)}})});
    const Json body = Json::MakeObject(
        {{"text", Escaped(facts.Title())},
         {"attachments", Json::MakeArray({Json::MakeObject(
                             {{"color", SlackColor(facts)}, {"blocks", std::move(blocks)}})})}});
    return PostJson(client_, url_, body.Dump());
  }

 private:
  static constexpr size_t kMostFields = 10;  // of one section, by Block Kit
  const std::string url_;
  const net::HttpClient& client_;
};

class TeamsSink final : public AlertSink {
 public:
  TeamsSink(std::string url, const net::HttpClient& client)
      : url_(std::move(url)), client_(client) {}
  std::string_view name() const override { return "teams"; }

  Delivery Deliver(const AlertMessage& message, base::Micros /*now*/) override {
    const AlertFacts facts = ReadFacts(message);
    const char* color = facts.resolved_now             ? "Good"
                        : facts.severity == "critical" ? "Attention"
                        : facts.severity == "warning"  ? "Warning"
                                                       : "Accent";
    Json rows = Json::MakeArray();
    for (const auto& [name, value] : facts.Rows())
      rows.Append(Json::MakeObject({{"title", name}, {"value", value}}));
    Json card = Json::MakeObject(
        {{"$schema", "http://adaptivecards.io/schemas/adaptive-card.json"},
         {"type", "AdaptiveCard"},
         {"version", "1.4"},
         {"body",
          Json::MakeArray(
              {Json::MakeObject({{"type", "TextBlock"},
                                 {"text", facts.Title()},
                                 {"weight", "Bolder"},
                                 {"size", "Medium"},
                                 {"color", color},
                                 {"wrap", true}}),
               Json::MakeObject({{"type", "TextBlock"}, {"text", facts.summary}, {"wrap", true}}),
               Json::MakeObject({{"type", "FactSet"}, {"facts", rows}})})}});
    if (!facts.runbook.empty()) {
      card.Set("actions",
               Json::MakeArray({Json::MakeObject(
                   {{"type", "Action.OpenUrl"}, {"title", "Runbook"}, {"url", facts.runbook}})}));
    }
    const Json body = Json::MakeObject(
        {{"type", "message"},
         {"attachments", Json::MakeArray({Json::MakeObject(
                             {{"contentType", "application/vnd.microsoft.card.adaptive"},
                              {"contentUrl", Json()},
                              {"content", std::move(card)}})})}});
    return PostJson(client_, url_, body.Dump());
  }

 private:
  const std::string url_;
  const net::HttpClient& client_;
};

}  // namespace

void Describe(base::Schema& schema, ChatSettings& settings) {
  schema.Add("alerts.slack.url", &settings.slack_url,
             "Incoming webhook of Slack, or of what takes its form; empty: none.");
  schema.Add("alerts.teams.url", &settings.teams_url,
             "Workflow webhook of Microsoft Teams (an Adaptive Card is posted); empty: none.");
}

std::unique_ptr<AlertSink> MakeSlackSink(const ChatSettings& settings,
                                         const net::HttpClient& client) {
  return std::make_unique<SlackSink>(settings.slack_url, client);
}
std::unique_ptr<AlertSink> MakeTeamsSink(const ChatSettings& settings,
                                         const net::HttpClient& client) {
  return std::make_unique<TeamsSink>(settings.teams_url, client);
}

}  // namespace slipway::monitoring
