// SPDX-License-Identifier: Apache-2.0
// The door of MLflow's protocol: bytes to fields, in the tolerance and with the refusals that its
// clients know.
#include "api/mlflow/call.h"

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "events/actor.h"
#include "net/http.h"
#include "tracking/tracking.h"

namespace slipway::api::mlflow {
namespace {

constexpr std::string_view kSeeDocs =
    ". See the API docs for more information about request parameters.";
constexpr std::string_view kTokenStart = "after-";

std::optional<int64_t> ParseInteger(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole ? std::optional(value) : std::nullopt;
}

int Base64Digit(char c) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const size_t place = kDigits.find(c);
  return place == std::string_view::npos ? -1 : static_cast<int>(place);
}

// The user's name in "Basic <base64 of name:password>"; empty when it is not that.
std::string BasicName(std::string_view header) {
  constexpr std::string_view kBasic = "Basic ";
  if (!header.starts_with(kBasic)) return "";
  std::string name;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : header.substr(kBasic.size())) {
    const int digit = Base64Digit(c);
    if (digit < 0) break;
    bits = (bits << 6) | static_cast<uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    const char byte = static_cast<char>((bits >> count) & 0xff);
    if (byte == ':') break;
    name += byte;
  }
  return name;
}

base::Json FieldsOfQuery(const net::HttpRequest& request) {
  base::Json fields = base::Json::MakeObject();
  for (const auto& [name, value] : request.query) {
    base::Json* known = fields.Find(name);
    if (known == nullptr) {
      fields.Set(name, value);
    } else if (known->is_array()) {
      known->Append(value);
    } else {
      fields.Set(name, base::Json::MakeArray({*known, value}));
    }
  }
  return fields;
}

const base::Json* FindValue(const base::Json& fields, std::string_view name) {
  const base::Json* value = fields.Find(name);
  return value == nullptr || value->is_null() ? nullptr : value;
}

}  // namespace

base::Status Missing(std::string_view name) {
  return base::InvalidArgument(
      std::string(name),
      "Missing value for required parameter '" + std::string(name) + "'" + std::string(kSeeDocs));
}

base::Status WrongType(const base::Json& value, std::string_view name, std::string_view expected) {
  return base::InvalidArgument(
      std::string(name), "Invalid value " + value.Dump() + " for parameter '" + std::string(name) +
                             "' supplied: expected " + std::string(expected) + ", got " +
                             std::string(value.TypeName()) + std::string(kSeeDocs));
}

events::Actor ActorOf(const net::HttpRequest& request, const base::Json& fields) {
  events::Actor actor;
  actor.source = "http " + request.remote_address;
  std::string name(request.GetHeader("X-Slipway-Actor"));
  if (name.empty()) name = BasicName(request.GetHeader("Authorization"));
  const base::Json* user = fields.Find("user_id");
  if (name.empty() && user != nullptr && user->is_string()) name = user->AsString();
  if (!name.empty()) actor.name = std::move(name);
  actor.reason = std::string(request.GetHeader("X-Slipway-Reason").substr(0, 2000));
  return actor;
}

base::Result<Call> DecodeCall(const net::HttpRequest& request) {
  base::Json fields = FieldsOfQuery(request);
  if (!request.body.empty() && request.method != "GET" && request.method != "HEAD") {
    base::Result<base::Json> body = base::Json::Parse(request.body);
    if (!body.ok()) return std::move(body).TakeStatus().Annotate("the request's body is not JSON");
    if (!body->is_object())
      return base::InvalidArgument("", "The request's body must be a JSON object.");
    fields = std::move(body).TakeValue();
  }
  events::Actor actor = ActorOf(request, fields);
  return Call{request, std::move(fields), std::move(actor)};
}

base::Result<std::string> OptionalText(const base::Json& fields, std::string_view name) {
  const base::Json* value = FindValue(fields, name);
  if (value == nullptr) return std::string();
  if (!value->is_string()) return WrongType(*value, name, "a string");
  return value->AsString();
}

base::Result<std::string> RequireText(const base::Json& fields, std::string_view name) {
  std::string text = TRY(OptionalText(fields, name));
  if (text.empty()) return Missing(name);
  return text;
}

base::Result<std::optional<int64_t>> OptionalNumber(const base::Json& fields,
                                                    std::string_view name) {
  const base::Json* value = FindValue(fields, name);
  if (value == nullptr) return std::optional<int64_t>();
  if (value->is_int()) return std::optional(value->AsInt());
  // MLflow takes any number and leaves out its fraction.
  constexpr double kMost = 9e18;
  if (value->is_number() && std::abs(value->AsDouble()) < kMost)
    return std::optional(static_cast<int64_t>(value->AsDouble()));
  if (value->is_string()) {
    if (const std::optional<int64_t> number = ParseInteger(value->AsString())) return number;
  }
  return WrongType(*value, name, "an integer");
}

base::Result<double> RequireDoubleValue(const base::Json& fields, std::string_view name) {
  const base::Json* value = FindValue(fields, name);
  if (value == nullptr) return Missing(name);
  if (value->is_number()) return value->AsDouble();
  if (value->is_string()) {
    const std::string& text = value->AsString();
    if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
    if (text == "Infinity") return std::numeric_limits<double>::infinity();
    if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc() && end == text.data() + text.size()) return number;
  }
  return WrongType(*value, name, "a number");
}

base::Result<bool> OptionalFlag(const base::Json& fields, std::string_view name, bool otherwise) {
  const base::Json* value = FindValue(fields, name);
  if (value == nullptr) return otherwise;
  if (value->is_bool()) return value->AsBool();
  if (value->is_string() && (value->AsString() == "true" || value->AsString() == "false"))
    return value->AsString() == "true";
  return WrongType(*value, name, "true or false");
}

base::Result<std::vector<std::string>> OptionalTexts(const base::Json& fields,
                                                     std::string_view name) {
  const base::Json* value = FindValue(fields, name);
  std::vector<std::string> texts;
  if (value == nullptr) return texts;
  if (value->is_string()) return std::vector<std::string>{value->AsString()};
  if (!value->is_array()) return WrongType(*value, name, "an array of strings");
  for (const base::Json& item : value->AsArray()) {
    if (!item.is_string()) return WrongType(item, name, "an array of strings");
    texts.push_back(item.AsString());
  }
  return texts;
}

base::Result<const base::Json::Array*> OptionalObjects(const base::Json& fields,
                                                       std::string_view name) {
  const base::Json* value = FindValue(fields, name);
  if (value == nullptr) return static_cast<const base::Json::Array*>(nullptr);
  if (!value->is_array()) return WrongType(*value, name, "an array");
  for (const base::Json& item : value->AsArray()) {
    if (!item.is_object()) return WrongType(item, name, "an array of objects");
  }
  return &value->AsArray();
}

base::Result<std::map<std::string, std::string>> OptionalTags(const base::Json& fields,
                                                              std::string_view name) {
  std::map<std::string, std::string> tags;
  const base::Json::Array* items = TRY(OptionalObjects(fields, name));
  if (items == nullptr) return tags;
  for (const base::Json& item : *items)
    tags[TRY(RequireText(item, "key"))] = TRY(OptionalText(item, "value"));
  return tags;
}

base::Result<std::vector<tracking::Param>> OptionalParams(const base::Json& fields,
                                                          std::string_view name) {
  std::vector<tracking::Param> params;
  const base::Json::Array* items = TRY(OptionalObjects(fields, name));
  if (items == nullptr) return params;
  for (const base::Json& item : *items)
    params.push_back({TRY(RequireText(item, "key")), TRY(OptionalText(item, "value"))});
  return params;
}

base::Result<std::string> RequireRunId(const base::Json& fields) {
  const std::string run_id = TRY(OptionalText(fields, "run_id"));
  if (!run_id.empty()) return run_id;
  const std::string run_uuid = TRY(OptionalText(fields, "run_uuid"));
  if (run_uuid.empty()) return Missing("run_id");
  return run_uuid;
}

base::Result<int64_t> OffsetOf(const base::Json& fields) {
  const std::string token = TRY(OptionalText(fields, "page_token"));
  if (token.empty()) return int64_t{0};
  const std::optional<int64_t> offset =
      token.starts_with(kTokenStart)
          ? ParseInteger(std::string_view(token).substr(kTokenStart.size()))
          : std::nullopt;
  if (!offset || *offset < 0)
    return base::InvalidArgument("page_token", "Invalid page token, could not decode: " + token);
  return *offset;
}

std::string TokenFor(int64_t offset) { return std::string(kTokenStart) + std::to_string(offset); }

}  // namespace slipway::api::mlflow
