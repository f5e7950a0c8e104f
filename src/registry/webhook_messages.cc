// SPDX-License-Identifier: Apache-2.0
#include "registry/webhook_messages.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/json.h"
#include "base/status.h"
#include "events/events.h"
#include "registry/records.h"
#include "registry/registry.h"
#include "storage/database.h"

namespace slipway::registry {
namespace {

constexpr std::string_view kVersion = "/version/";
constexpr std::array<std::string_view, 6> kEvents = {
    "registered_model.created",  "model_version.created",       "model_version_tag.set",
    "model_version_tag.deleted", "model_version_alias.created", "model_version_alias.deleted"};

// "model/<name>" or "model/<name>/version/<number>"
std::pair<std::string, std::string> NamesOf(std::string_view subject) {
  const std::string_view rest = subject.substr(std::min(subject.size(), subject.find('/') + 1));
  const size_t at = rest.rfind(kVersion);
  if (at == std::string_view::npos) return {std::string(rest), ""};
  return {std::string(rest.substr(0, at)), std::string(rest.substr(at + kVersion.size()))};
}

base::Json Text(const base::Json& data, std::string_view key) {
  const base::Json* value = data.Find(key);
  return value != nullptr && value->is_string() && !value->AsString().empty() ? *value
                                                                              : base::Json();
}

base::Json TagsJson(const Tags& tags) {
  base::Json json = base::Json::MakeObject();
  for (const auto& [key, value] : tags) json.Set(key, value);
  return json;
}

base::Json TagsOf(const base::Json& data) {
  const base::Json* tags = data.Find("tags");
  return tags == nullptr ? base::Json::MakeObject() : *tags;
}

std::string Listed() {
  std::string text;
  for (const std::string_view event : kEvents)
    text += (text.empty() ? "" : ", ") + std::string(event);
  return text;
}

}  // namespace

std::optional<WebhookMessage> MessageOf(const events::Event& event) {
  const auto [model, version] = NamesOf(event.subject);
  base::Json data = base::Json::MakeObject({{"name", model}});
  const base::Json& from = event.data;
  if (event.type == "model.created") {
    data.Set("tags", TagsOf(from)).Set("description", Text(from, "description"));
    return WebhookMessage{"registered_model.created", model, std::move(data)};
  }
  data.Set("version", version);
  if (event.type == "version.ready") {
    data.Set("source", Text(from, "source"))
        .Set("run_id", Text(from, "run_id"))
        .Set("tags", TagsOf(from))
        .Set("description", Text(from, "description"));
    return WebhookMessage{"model_version.created", model, std::move(data)};
  }
  if (event.type == "version.tag_set" || event.type == "version.tag_deleted") {
    const bool set = event.type == "version.tag_set";
    data.Set("key", Text(from, "key"));
    const base::Json* value = from.Find("value");
    if (set && value != nullptr) data.Set("value", *value);
    return WebhookMessage{set ? "model_version_tag.set" : "model_version_tag.deleted", model,
                          std::move(data)};
  }
  if (event.type == "alias.set") {
    data.Set("alias", Text(from, "alias"));
    return WebhookMessage{"model_version_alias.created", model, std::move(data)};
  }
  if (event.type == "alias.deleted") {
    return WebhookMessage{
        "model_version_alias.deleted", model,
        base::Json::MakeObject({{"name", model}, {"alias", Text(from, "alias")}})};
  }
  return std::nullopt;
}

base::Result<WebhookMessage> Completed(storage::Transaction& transaction, events::Event event) {
  const auto [name, number] = NamesOf(event.subject);
  if (event.type == "model.created") {
    const base::Result<Model> model = LoadModel(transaction, name);
    if (!model.ok() && model.status().code() != base::Code::kNotFound) return model.status();
    if (model.ok()) {
      event.data = base::Json::MakeObject(
          {{"tags", TagsJson(model->tags)}, {"description", model->description}});
    }
  } else if (event.type == "version.ready") {
    const base::Result<Version> version = LoadVersion(transaction, name, std::stoll(number));
    if (!version.ok() && version.status().code() != base::Code::kNotFound) return version.status();
    if (version.ok()) {
      event.data = base::Json::MakeObject({{"source", version->source},
                                           {"run_id", version->run_id},
                                           {"tags", TagsJson(version->tags)},
                                           {"description", version->description}});
    }
  }
  return MessageOf(event).value_or(WebhookMessage());
}

std::string BodyOf(const WebhookMessage& message, base::Micros time) {
  const size_t dot = message.event.find('.');
  return base::Json::MakeObject({{"entity", message.event.substr(0, dot)},
                                 {"action", message.event.substr(dot + 1)},
                                 {"timestamp", base::FormatTime(time)},
                                 {"data", message.data}})
      .Dump();
}

WebhookMessage ExampleOf(std::string_view event) {
  events::Event example;
  example.subject = "model/example_model/version/1";
  example.data =
      base::Json::MakeObject({{"source", "models:/123"},
                              {"run_id", "abcd1234abcd5678"},
                              {"tags", base::Json::MakeObject({{"example_key", "example_value"}})},
                              {"description", "An example model version"},
                              {"key", "example_key"},
                              {"value", "example_value"},
                              {"alias", "example_alias"}});
  if (event == "registered_model.created") {
    example.type = "model.created";
    example.subject = "model/example_model";
    example.data.Set("description", "An example registered model");
  } else if (event == "model_version.created") {
    example.type = "version.ready";
  } else if (event == "model_version_tag.set") {
    example.type = "version.tag_set";
  } else if (event == "model_version_tag.deleted") {
    example.type = "version.tag_deleted";
  } else if (event == "model_version_alias.created") {
    example.type = "alias.set";
  } else if (event == "model_version_alias.deleted") {
    example.type = "alias.deleted";
  }
  return MessageOf(example).value_or(WebhookMessage());
}

base::Status CheckWebhookEvent(std::string_view event) {
  if (std::ranges::find(kEvents, event) != kEvents.end()) return {};
  return base::InvalidArgument(
      "events", "there is no event '" + std::string(event) + "' here; expected one of " + Listed());
}

}  // namespace slipway::registry
