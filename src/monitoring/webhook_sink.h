// SPDX-License-Identifier: Apache-2.0
// The webhook sink: POSTs each alert as JSON, signed by the Standard Webhooks rules (headers
// webhook-id, webhook-timestamp and webhook-signature: "v1," + base64 of HMAC-SHA256 over
// "id.timestamp.body").
#pragma once

#include <memory>
#include <string>

#include "base/config.h"
#include "monitoring/alert_sink.h"
#include "net/http_client.h"

namespace slipway::monitoring {

struct WebhookSettings {
  std::string url;     // empty: no webhook
  std::string secret;  // "whsec_" + base64, or any text; empty: not signed
};
// Settings alerts.webhook.url, alerts.webhook.secret.
void Describe(base::Schema& schema, WebhookSettings& settings);

// 2xx: delivered. 408, 425, 429 (Retry-After is kept), 5xx, timeout and no connection: again later.
// Else: rejected for good.
std::unique_ptr<AlertSink> MakeWebhookSink(const WebhookSettings& settings,
                                           const net::HttpClient& client);

}  // namespace slipway::monitoring
