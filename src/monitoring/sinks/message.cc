// SPDX-License-Identifier: Apache-2.0
// An alert's last step, where it is alike for several receivers.
#include "monitoring/sinks/message.h"

#include <charconv>
#include <cstdint>

namespace slipway::monitoring {
namespace {

using base::Json;

constexpr size_t kMaxDetail = 200;

std::string TextOf(const Json& json, std::string_view key) {
  const Json* value = json.Find(key);
  return value != nullptr && value->is_string() ? value->AsString() : "";
}

double NumberOf(const Json& json, std::string_view key) {
  const Json* value = json.Find(key);
  return value != nullptr && value->is_number() ? value->AsDouble() : 0;
}

std::optional<base::Micros> RetryAfter(const net::HttpResponse& response) {
  for (const net::Header& header : response.headers) {
    std::string name = header.name;
    for (char& letter : name)
      letter = static_cast<char>(letter >= 'A' && letter <= 'Z' ? letter + 32 : letter);
    int64_t seconds = 0;
    const char* end = header.value.data() + header.value.size();
    if (name == "retry-after" && std::from_chars(header.value.data(), end, seconds).ptr == end &&
        seconds >= 0 && seconds < 86'400) {
      return seconds * base::kSecond;
    }
  }
  return std::nullopt;
}

}  // namespace

AlertFacts ReadFacts(const AlertMessage& message) {
  AlertFacts facts;
  facts.id = message.incident;
  facts.resolved_now = message.type == "alert.resolved";
  facts.acknowledged_now = message.type == "alert.acknowledged";
  const auto body = Json::Parse(message.body);
  const Json* data = body.ok() ? body->Find("data") : nullptr;
  if (data == nullptr) return facts;
  facts.rule = TextOf(*data, "rule");
  facts.endpoint = TextOf(*data, "endpoint");
  facts.severity = TextOf(*data, "severity");
  facts.summary = TextOf(*data, "summary");
  facts.runbook = TextOf(*data, "runbook");
  facts.since = TextOf(*data, "since");
  facts.resolved = TextOf(*data, "resolved");
  facts.version = static_cast<int64_t>(NumberOf(*data, "version"));
  facts.value = NumberOf(*data, "value");
  facts.threshold = NumberOf(*data, "threshold");
  if (const Json* more = data->Find("data"); more != nullptr) facts.data = *more;
  if (const Json* by = data->Find("acknowledged"); by != nullptr)
    facts.acknowledged_by = TextOf(*by, "by");
  const Json* labels = data->Find("labels");
  if (labels == nullptr || !labels->is_object()) return facts;
  for (const auto& [name, value] : labels->AsObject()) {
    if (value.is_string()) facts.labels[name] = value.AsString();
  }
  return facts;
}

std::string AlertFacts::Title() const {
  const std::string state = resolved_now       ? "RESOLVED"
                            : acknowledged_now ? "ACKNOWLEDGED"
                                               : "FIRING";
  return "[" + state + "] " + rule + " on " + endpoint + " (" + severity + ")";
}

std::vector<std::pair<std::string, std::string>> AlertFacts::Rows() const {
  std::vector<std::pair<std::string, std::string>> rows = {
      {"Endpoint", endpoint},
      {"Value", Json(value).Dump()},
      {"Threshold", Json(threshold).Dump()},
      {"Since", since},
  };
  if (version != 0) rows.insert(rows.begin() + 1, {"Version", std::to_string(version)});
  if (resolved_now) rows.emplace_back("Resolved", resolved);
  if (!acknowledged_by.empty()) rows.emplace_back("Acknowledged by", acknowledged_by);
  for (const auto& [name, label] : labels) rows.emplace_back(name, label);
  if (!runbook.empty()) rows.emplace_back("Runbook", runbook);
  return rows;
}

Delivery PostJson(const net::HttpClient& client, const std::string& url, std::string body,
                  std::vector<net::Header> headers) {
  net::HttpCall call;
  call.method = "POST";
  call.url = url;
  call.body = std::move(body);
  call.headers = std::move(headers);
  call.headers.insert(call.headers.begin(), {"Content-Type", "application/json"});
  const auto response = client.Send(call);
  if (!response.ok()) {
    // An address that the allow-list refuses stays refused.
    const bool refused = response.status().code() == base::Code::kPermissionDenied ||
                         response.status().code() == base::Code::kInvalidArgument;
    return {refused ? Delivery::Outcome::kRejected : Delivery::Outcome::kRetry,
            response.status().ToString(),
            {}};
  }
  if (response->status >= 200 && response->status < 300) return {};
  const bool again = response->status == 408 || response->status == 425 ||
                     response->status == 429 || response->status >= 500;
  return {
      again ? Delivery::Outcome::kRetry : Delivery::Outcome::kRejected,
      "answered " + std::to_string(response->status) + " " + response->body.substr(0, kMaxDetail),
      RetryAfter(*response)};
}

}  // namespace slipway::monitoring
