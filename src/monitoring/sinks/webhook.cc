// SPDX-License-Identifier: Apache-2.0
// The last step of an alert's walk when it leaves as a webhook: signed, posted, and the answer
// read.
#include <array>
#include <charconv>
#include <string>
#include <utility>

#include "base/hash.h"
#include "monitoring/webhook_sink.h"

namespace slipway::monitoring {
namespace {

constexpr std::string_view kSecretPrefix = "whsec_";
constexpr size_t kMaxDetail = 200;

// Standard base64 with or without padding; nullopt for anything else.
// The key behind "whsec_<base64>"; any other text is the key itself.
std::string KeyOf(const std::string& secret) {
  if (!secret.starts_with(kSecretPrefix)) return secret;
  return base::Base64Decode(std::string_view(secret).substr(kSecretPrefix.size())).value_or(secret);
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

class WebhookSink final : public AlertSink {
 public:
  WebhookSink(const WebhookSettings& settings, const net::HttpClient& client)
      : url_(settings.url), key_(KeyOf(settings.secret)), client_(client) {}

  std::string_view name() const override { return "webhook"; }

  Delivery Deliver(const AlertMessage& message, base::Micros now) override {
    const std::string timestamp = std::to_string(now / base::kSecond);
    net::HttpCall call;
    call.method = "POST";
    call.url = url_;
    call.body = message.body;
    call.headers = {{"Content-Type", "application/json"},
                    {"webhook-id", message.id},
                    {"webhook-timestamp", timestamp}};
    if (!key_.empty()) {
      const std::string signature =
          base::HmacSha256(key_, message.id + "." + timestamp + "." + message.body);
      call.headers.push_back({"webhook-signature", "v1," + base::Base64Encode(signature)});
    }
    const auto response = client_.Send(call);
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

 private:
  const std::string url_;
  const std::string key_;
  const net::HttpClient& client_;
};

}  // namespace

void Describe(base::Schema& schema, WebhookSettings& settings) {
  schema.Add("alerts.webhook.url", &settings.url,
             "Where alerts are posted as JSON; empty: nowhere.");
  schema.Add("alerts.webhook.secret", &settings.secret,
             "Signs each post (Standard Webhooks): \"whsec_\" and base64, or any text; empty: not "
             "signed.");
}

std::unique_ptr<AlertSink> MakeWebhookSink(const WebhookSettings& settings,
                                           const net::HttpClient& client) {
  return std::make_unique<WebhookSink>(settings, client);
}

}  // namespace slipway::monitoring
