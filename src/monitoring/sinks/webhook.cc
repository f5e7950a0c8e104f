// SPDX-License-Identifier: Apache-2.0
// The last step of an alert's walk when it leaves as a webhook: signed, posted, and the answer
// read.
#include <string>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "monitoring/sinks/message.h"
#include "monitoring/webhook_sink.h"

namespace slipway::monitoring {
namespace {

constexpr std::string_view kSecretPrefix = "whsec_";

// The key behind "whsec_<base64>"; any other text is the key itself.
std::string KeyOf(const std::string& secret) {
  if (!secret.starts_with(kSecretPrefix)) return secret;
  return base::Base64Decode(std::string_view(secret).substr(kSecretPrefix.size())).value_or(secret);
}

class WebhookSink final : public AlertSink {
 public:
  WebhookSink(const WebhookSettings& settings, const net::HttpClient& client)
      : url_(settings.url), key_(KeyOf(settings.secret)), client_(client) {}

  std::string_view name() const override { return "webhook"; }

  Delivery Deliver(const AlertMessage& message, base::Micros now) override {
    const std::string timestamp = std::to_string(now / base::kSecond);
    std::vector<net::Header> headers = {{"webhook-id", message.id},
                                        {"webhook-timestamp", timestamp}};
    if (!key_.empty()) {
      const std::string signature =
          base::HmacSha256(key_, message.id + "." + timestamp + "." + message.body);
      headers.push_back({"webhook-signature", "v1," + base::Base64Encode(signature)});
    }
    return PostJson(client_, url_, message.body, std::move(headers));
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
