// SPDX-License-Identifier: Apache-2.0
// Inputs checked against the operation's members; ARNs, tags and pages.
#include "api/sagemaker/call.h"

#include <algorithm>
#include <cmath>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/status.h"
#include "registry/registry.h"

namespace slipway::api::sagemaker {
namespace {

constexpr size_t kPage = 100;
constexpr size_t kMostTags = 50;

size_t Characters(std::string_view text) {
  return static_cast<size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

bool IsName(std::string_view text) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  return !text.empty() && text.size() <= 63 && letter(text.front()) && letter(text.back()) &&
         std::ranges::all_of(text, [&](char c) { return letter(c) || c == '-'; });
}

bool IsChoice(std::string_view choices, std::string_view text) {
  const std::string all = "|" + std::string(choices) + "|";
  return text.find('|') == std::string_view::npos &&
         all.find("|" + std::string(text) + "|") != std::string::npos;
}

base::Status CheckRange(const Member& member, size_t size, std::string_view unit) {
  if (size >= member.least && size <= member.most) return {};
  return Invalid(member.name, "must have " + std::string(unit) + " between " +
                                  std::to_string(member.least) + " and " +
                                  std::to_string(member.most) + ", not " + std::to_string(size));
}

base::Status CheckText(const Member& member, const base::Json& value) {
  if (!value.is_string())
    return Invalid(member.name, "must be a string, not " + std::string(value.TypeName()));
  const std::string& text = value.AsString();
  if (!member.choices.empty() && !IsChoice(member.choices, text)) {
    return Invalid(member.name, "must satisfy enum value set: [" + std::string(member.choices) +
                                    "], not '" + text + "'");
  }
  if (member.kind == Kind::kName && !IsName(text)) {
    return Invalid(member.name,
                   "must satisfy regular expression pattern: "
                   "[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}, not '" +
                       text + "'");
  }
  return CheckRange(member, Characters(text), "length");
}

base::Status CheckMap(const Member& member, const base::Json& value) {
  for (const auto& [key, text] : value.AsObject()) {
    if (key.empty() || Characters(key) > 128)
      return Invalid(member.name, "must have keys of 1 to 128 characters, not '" + key + "'");
    if (!text.is_string() || text.AsString().empty() || Characters(text.AsString()) > 256)
      return Invalid(member.name, "must have texts of 1 to 256 characters; see '" + key + "'");
  }
  return CheckRange(member, value.AsObject().size(), "keys");
}

base::Status WrongType(const Member& member, std::string_view expected, const base::Json& value) {
  return Invalid(member.name,
                 "must be " + std::string(expected) + ", not " + std::string(value.TypeName()));
}

base::Status CheckNumber(const Member& member, const base::Json& value) {
  if (member.kind == Kind::kTime)
    return value.is_number() ? base::Status() : WrongType(member, "a time in seconds", value);
  if (!value.is_int() || value.AsInt() < 0) return WrongType(member, "a whole number", value);
  return CheckRange(member, static_cast<size_t>(value.AsInt()), "a value");
}

base::Status CheckTree(const Member& member, const base::Json& value) {
  if (member.kind == Kind::kList) {
    if (!value.is_array()) return WrongType(member, "a list", value);
    return CheckRange(member, value.AsArray().size(), "items");
  }
  if (!value.is_object()) return WrongType(member, "an object", value);
  return member.kind == Kind::kMap ? CheckMap(member, value) : base::Status();
}

base::Status CheckValue(const Member& member, const base::Json& value) {
  switch (member.kind) {
    case Kind::kTime:
    case Kind::kCount:
      return CheckNumber(member, value);
    case Kind::kFlag:
      return value.is_bool() ? base::Status() : WrongType(member, "true or false", value);
    case Kind::kObject:
    case Kind::kList:
    case Kind::kMap:
      return CheckTree(member, value);
    default:
      return CheckText(member, value);
  }
}

base::Micros MicrosOf(const base::Json& value) {
  return static_cast<base::Micros>(std::llround(value.AsDouble() * 1e6));
}

bool Passes(const base::Json& fields, const Entry& entry) {
  const base::Json* after = fields.Find("CreationTimeAfter");
  const base::Json* before = fields.Find("CreationTimeBefore");
  if (after != nullptr && entry.created <= MicrosOf(*after)) return false;
  if (before != nullptr && entry.created >= MicrosOf(*before)) return false;
  return entry.name.find(TextOf(fields, "NameContains")) != std::string::npos;
}

using SortKey = std::tuple<base::Micros, std::string, int64_t>;

SortKey KeyOf(const Entry& entry, const std::string& by) {
  if (by == "Name") return {0, entry.name, entry.number};
  if (by == "Version") return {0, "", entry.number};
  return {entry.created, entry.name, entry.number};
}

base::Result<std::optional<SortKey>> KeyOfToken(const std::string& token) {
  if (token.empty()) return std::optional<SortKey>();
  const std::optional<std::string> text = base::Base64Decode(token);
  const base::Result<base::Json> parsed = base::Json::Parse(text.value_or(""));
  const bool good = parsed.ok() && parsed->is_array() && parsed->AsArray().size() == 3 &&
                    parsed->AsArray()[0].is_int() && parsed->AsArray()[1].is_string() &&
                    parsed->AsArray()[2].is_int();
  if (!good) return Invalid("NextToken", "must be a token that this server gave");
  const base::Json::Array& items = parsed->AsArray();
  return std::optional(SortKey{items[0].AsInt(), items[1].AsString(), items[2].AsInt()});
}

std::string TokenOf(const SortKey& key) {
  return base::Base64Encode(
      base::Json::MakeArray({std::get<0>(key), std::get<1>(key), std::get<2>(key)}).Dump());
}

}  // namespace

base::Status Invalid(std::string_view member, const std::string& what) {
  return base::InvalidArgument(std::string(member),
                               "1 validation error detected: Value at '" + std::string(member) +
                                   "' failed to satisfy constraint: Member " + what);
}

base::Status CheckInput(const Operation& operation, const base::Json& fields) {
  for (const auto& [name, value] : fields.AsObject()) {
    const auto member = std::ranges::find(operation.members, name, &Member::name);
    if (member == operation.members.end())
      return Invalid(name, "is not one of " + std::string(operation.name));
    TRY(CheckValue(*member, value));
  }
  for (const Member& member : operation.members) {
    if (member.required && fields.Find(member.name) == nullptr)
      return Invalid(member.name, "must not be null");
  }
  return {};
}

std::string TextOf(const base::Json& fields, std::string_view name) {
  const base::Json* value = fields.Find(name);
  return value != nullptr && value->is_string() ? value->AsString() : std::string();
}

std::string Arn(const Rooms& rooms, std::string_view type, const std::string& rest) {
  return "arn:aws:sagemaker:" + rooms.settings.region + ":" + rooms.settings.account + ":" +
         std::string(type) + "/" + rest;
}

base::Result<std::string> NameOf(const Rooms& rooms, const std::string& text,
                                 std::string_view type) {
  if (!text.starts_with("arn:")) return text;
  const std::string prefix = Arn(rooms, type, "");
  if (text.starts_with(prefix)) return text.substr(prefix.size());
  return base::InvalidArgument(
      "", "'" + text + "' is not of this server; its ARNs begin with " + prefix);
}

base::Json Seconds(base::Micros time) { return static_cast<double>(time) / 1e6; }

base::Json UserJson(const std::string& user) {
  return base::Json::MakeObject({{"UserProfileName", user}});
}

base::Result<registry::Tags> TagsOf(const base::Json& fields, std::string_view member) {
  registry::Tags tags;
  const base::Json* list = fields.Find(member);
  if (list == nullptr || list->is_null()) return tags;
  if (list->AsArray().size() > kMostTags) return Invalid(member, "must have at most 50 items");
  for (const base::Json& tag : list->AsArray()) {
    const std::string key = TextOf(tag, "Key");
    const base::Json* value = tag.Find("Value");
    const bool good = !key.empty() && Characters(key) <= 128 && value != nullptr &&
                      value->is_string() && Characters(value->AsString()) <= 256;
    if (!good)
      return Invalid(member, "must be of Key (1 to 128 characters) and Value (at most 256)");
    tags[key] = value->AsString();
  }
  return tags;
}

base::Json TagsJson(const registry::Tags& tags) {
  base::Json list = base::Json::MakeArray();
  for (const auto& [key, value] : tags)
    list.Append(base::Json::MakeObject({{"Key", key}, {"Value", value}}));
  return list;
}

base::Result<base::Json> PageOf(const base::Json& fields, std::vector<Entry> entries,
                                std::string_view list_name) {
  const std::string by = TextOf(fields, "SortBy");
  const bool falling = TextOf(fields, "SortOrder") == "Descending";
  const std::optional<SortKey> after = TRY(KeyOfToken(TextOf(fields, "NextToken")));
  const base::Json* most = fields.Find("MaxResults");
  const size_t limit =
      most != nullptr && most->is_int() ? static_cast<size_t>(most->AsInt()) : kPage;
  std::ranges::sort(entries, [&](const Entry& a, const Entry& b) {
    return falling ? KeyOf(b, by) < KeyOf(a, by) : KeyOf(a, by) < KeyOf(b, by);
  });
  base::Json list = base::Json::MakeArray();
  SortKey last;
  std::string token;
  for (Entry& entry : entries) {
    SortKey key = KeyOf(entry, by);
    const bool seen = after && (falling ? key >= *after : key <= *after);
    if (seen || !Passes(fields, entry)) continue;
    if (list.AsArray().size() == limit) {
      token = TokenOf(last);
      break;
    }
    list.Append(std::move(entry.summary));
    last = std::move(key);
  }
  base::Json page = base::Json::MakeObject({{std::string(list_name), std::move(list)}});
  if (!token.empty()) page.Set("NextToken", token);
  return page;
}

}  // namespace slipway::api::sagemaker
