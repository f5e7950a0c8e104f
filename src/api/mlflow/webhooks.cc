// SPDX-License-Identifier: Apache-2.0
// MLflow's webhooks/*. What is sent, and when, is registry's business.
#include "registry/webhooks.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/mlflow/call.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/status.h"

namespace slipway::api::mlflow {
namespace {

using base::Json;
using base::Result;

constexpr int64_t kUsualWebhooks = 100;

std::string Cased(std::string_view text, int (*convert)(int)) {
  std::string changed(text);
  for (char& c : changed) c = static_cast<char>(convert(static_cast<unsigned char>(c)));
  return changed;
}

Json WebhookJson(const registry::Webhook& webhook) {
  Json events = Json::MakeArray();
  for (const std::string& event : webhook.events) {
    const std::string name = Cased(event, std::toupper);
    const size_t dot = name.find('.');
    events.Append(
        Json::MakeObject({{"entity", name.substr(0, dot)}, {"action", name.substr(dot + 1)}}));
  }
  return Json::MakeObject({{"webhook_id", webhook.id},
                           {"name", webhook.name},
                           {"url", webhook.url},
                           {"description", webhook.description},
                           {"events", std::move(events)},
                           {"status", webhook.active ? "ACTIVE" : "DISABLED"},
                           {"creation_timestamp", webhook.created / base::kMillisecond},
                           {"last_updated_timestamp", webhook.updated / base::kMillisecond}});
}

Json WithWebhook(const registry::Webhook& webhook) {
  return Json::MakeObject({{"webhook", WebhookJson(webhook)}});
}

Result<std::string> EventName(const Json& event) {
  return Cased(TRY(RequireText(event, "entity")) + "." + TRY(RequireText(event, "action")),
               std::tolower);
}

Result<std::optional<std::vector<std::string>>> Events(const Json& fields) {
  const Json::Array* given = TRY(OptionalObjects(fields, "events"));
  if (given == nullptr || given->empty()) return std::optional<std::vector<std::string>>();
  std::vector<std::string> events;
  for (const Json& event : *given) events.push_back(TRY(EventName(event)));
  return std::optional(std::move(events));
}

Result<registry::WebhookChange> ReadChange(const Json& fields) {
  registry::WebhookChange change;
  const auto text = [&](std::string_view name, std::optional<std::string>& value) -> base::Status {
    if (fields.Find(name) != nullptr) value = TRY(OptionalText(fields, name));
    return {};
  };
  TRY(text("name", change.name));
  TRY(text("url", change.url));
  TRY(text("description", change.description));
  TRY(text("secret", change.secret));
  change.events = TRY(Events(fields));
  const std::string status = TRY(OptionalText(fields, "status"));
  if (status.empty()) return change;
  if (status != "ACTIVE" && status != "DISABLED")
    return base::InvalidArgument(
        "status", "Invalid webhook status '" + status + "'. Expected ACTIVE or DISABLED.");
  change.active = status == "ACTIVE";
  return change;
}

Result<Json> Create(Rooms& rooms, const Call& call) {
  registry::WebhookChange given = TRY(ReadChange(call.fields));
  registry::Webhook webhook;
  webhook.name = TRY(RequireText(call.fields, "name"));
  webhook.url = TRY(RequireText(call.fields, "url"));
  webhook.events = given.events.value_or(std::vector<std::string>());
  webhook.description = given.description.value_or("");
  webhook.secret = given.secret.value_or("");
  webhook.active = given.active.value_or(true);
  return WithWebhook(TRY(rooms.webhooks.Create(std::move(webhook), call.actor)));
}

Result<Json> List(Rooms& rooms, const Call& call) {
  const int64_t limit = TRY(OptionalNumber(call.fields, "max_results")).value_or(kUsualWebhooks);
  const int64_t offset = TRY(OffsetOf(call.fields));
  if (limit < 1)
    return base::InvalidArgument("max_results",
                                 "Invalid value for 'max_results': expected 1 or more");
  const std::vector<registry::Webhook> all = TRY(rooms.webhooks.List());
  Json found = Json::MakeArray();
  const auto size = static_cast<int64_t>(all.size());
  for (int64_t i = offset; i < std::min(size, offset + limit); ++i)
    found.Append(WebhookJson(all[static_cast<size_t>(i)]));
  Json answer = Json::MakeObject({{"webhooks", std::move(found)}});
  if (offset + limit < size) answer.Set("next_page_token", TokenFor(offset + limit));
  return answer;
}

Result<Json> Get(Rooms& rooms, const Call& call) {
  return WithWebhook(TRY(rooms.webhooks.Get(call.http.GetParam("webhook_id"))));
}

Result<Json> Update(Rooms& rooms, const Call& call) {
  return WithWebhook(TRY(rooms.webhooks.Update(call.http.GetParam("webhook_id"),
                                               TRY(ReadChange(call.fields)), call.actor)));
}

Result<Json> Delete(Rooms& rooms, const Call& call) {
  TRY(rooms.webhooks.Delete(call.http.GetParam("webhook_id"), call.actor));
  return Json::MakeObject();
}

Result<Json> Test(Rooms& rooms, const Call& call) {
  const Json* event = call.fields.Find("event");
  const registry::WebhookTrial trial = TRY(rooms.webhooks.Test(
      call.http.GetParam("webhook_id"), event == nullptr ? "" : TRY(EventName(*event))));
  Json result = Json::MakeObject({{"success", trial.success}});
  if (trial.status) result.Set("response_status", static_cast<int64_t>(*trial.status));
  if (!trial.body.empty()) result.Set("response_body", trial.body);
  if (!trial.error.empty()) result.Set("error_message", trial.error);
  return Json::MakeObject({{"result", std::move(result)}});
}

}  // namespace

void AddWebhookRoutes(Routes& routes) {
  routes.Add("POST", "webhooks", Create);
  routes.Add("GET", "webhooks", List);
  routes.Add("GET", "webhooks/{webhook_id}", Get);
  routes.Add("PATCH", "webhooks/{webhook_id}", Update);
  routes.Add("DELETE", "webhooks/{webhook_id}", Delete);
  routes.Add("POST", "webhooks/{webhook_id}/test", Test);
}

}  // namespace slipway::api::mlflow
