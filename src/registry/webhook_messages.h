// SPDX-License-Identifier: Apache-2.0
// What a webhook's messages say: the payloads of mlflow/webhooks/types.py. Private to this room.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/json.h"
#include "base/status.h"
#include "events/events.h"
#include "storage/database.h"

namespace slipway::registry {

struct WebhookMessage {
  std::string event;  // "model_version_tag.set"
  std::string model;
  base::Json data;
};
// Nothing: this event is not told to anyone.
std::optional<WebhookMessage> MessageOf(const events::Event& event);
// With what the event itself leaves out, as it stands in the registry.
base::Result<WebhookMessage> Completed(storage::Transaction& transaction, events::Event event);
// {"entity","action","timestamp","data"}
std::string BodyOf(const WebhookMessage& message, base::Micros time);
WebhookMessage ExampleOf(std::string_view event);
// kInvalidArgument (field "events") for what no event is called.
base::Status CheckWebhookEvent(std::string_view event);

}  // namespace slipway::registry
