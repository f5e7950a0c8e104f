// SPDX-License-Identifier: Apache-2.0
// Json values: what the control path passes about, and how they are printed.
#include "base/json.h"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <vector>

#include "base/nearest.h"

namespace slipway::base {

Json::Json(uint64_t value) {
  if (value <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    value_ = static_cast<int64_t>(value);
  } else {
    value_ = static_cast<double>(value);
  }
}

Json Json::MakeObject(std::initializer_list<Member> members) { return Json(Object(members)); }
Json Json::MakeArray(std::initializer_list<Json> items) { return Json(Array(items)); }

std::string_view Json::TypeName() const {
  constexpr std::array<std::string_view, 7> kNames = {"null",   "boolean", "integer", "number",
                                                      "string", "array",   "object"};
  return kNames[value_.index()];
}

double Json::AsDouble() const { return is_int() ? static_cast<double>(AsInt()) : Get<double>(); }

const Json* Json::Find(std::string_view key) const {
  const Object* object = std::get_if<Object>(&value_);
  if (object == nullptr) return nullptr;
  for (const Member& member : *object) {
    if (member.first == key) return &member.second;
  }
  return nullptr;
}

Json* Json::Find(std::string_view key) { return const_cast<Json*>(std::as_const(*this).Find(key)); }

Json& Json::Set(std::string_view key, Json value) {
  if (is_null()) value_ = Object();
  if (Json* found = Find(key)) {
    *found = std::move(value);
  } else {
    AsObject().emplace_back(std::string(key), std::move(value));
  }
  return *this;
}

Json& Json::Append(Json value) {
  if (is_null()) value_ = Array();
  AsArray().push_back(std::move(value));
  return *this;
}

namespace {

void AppendEscape(std::string& out, unsigned char c) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    case '\b':
      out += "\\b";
      return;
    case '\f':
      out += "\\f";
      return;
    default:
      out += "\\u00";
      out += kDigits[c >> 4];
      out += kDigits[c & 15];
  }
}

template <typename T>
void AppendShortest(std::string& out, T value) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  out.append(text.data(), end);
}

void NewLine(std::string& out, int indent, int depth) {
  if (indent <= 0) return;
  out += '\n';
  out.append(static_cast<size_t>(indent) * static_cast<size_t>(depth), ' ');
}

void DumpTo(const Json& json, std::string& out, int indent, int depth) {
  if (json.is_null()) {
    out += "null";
  } else if (json.is_bool()) {
    out += json.AsBool() ? "true" : "false";
  } else if (json.is_int()) {
    out += std::to_string(json.AsInt());
  } else if (json.is_number()) {
    AppendJsonNumber(out, json.AsDouble());
  } else if (json.is_string()) {
    AppendJsonString(out, json.AsString());
  } else if (json.is_array()) {
    out += '[';
    const char* separator = "";
    for (const Json& item : json.AsArray()) {
      out += std::exchange(separator, ",");
      NewLine(out, indent, depth + 1);
      DumpTo(item, out, indent, depth + 1);
    }
    if (!json.AsArray().empty()) NewLine(out, indent, depth);
    out += ']';
  } else {
    out += '{';
    const char* separator = "";
    for (const auto& [key, value] : json.AsObject()) {
      out += std::exchange(separator, ",");
      NewLine(out, indent, depth + 1);
      AppendJsonString(out, key);
      out += indent > 0 ? ": " : ":";
      DumpTo(value, out, indent, depth + 1);
    }
    if (!json.AsObject().empty()) NewLine(out, indent, depth);
    out += '}';
  }
}

}  // namespace

std::string Json::Dump(int indent) const {
  std::string out;
  DumpTo(*this, out, indent, 0);
  return out;
}

size_t Utf8Length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return 0;
  // The second byte's range shuts out overlong forms, surrogates and what is past U+10FFFF.
  const unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (byte(1) < low || byte(1) > high) return 0;
  for (size_t i = 2; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  return length;
}

void AppendJsonString(std::string& out, std::string_view text) {
  out += '"';
  size_t plain = 0;  // start of the part not yet copied
  size_t i = 0;
  while (i < text.size()) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
      ++i;
      continue;
    }
    const size_t length = c < 0x80 ? 0 : Utf8Length(text.substr(i));
    if (length > 0) {
      i += length;
      continue;
    }
    out.append(text, plain, i - plain);
    if (c < 0x80) {
      AppendEscape(out, c);
    } else {
      out += "\xEF\xBF\xBD";
    }
    plain = ++i;
  }
  out.append(text, plain, text.size() - plain);
  out += '"';
}

void AppendJsonNumber(std::string& out, double value) { AppendShortest(out, value); }
void AppendJsonNumber(std::string& out, float value) { AppendShortest(out, value); }

namespace {

Status WrongType(std::string_view key, std::string_view expected, const Json& got) {
  return InvalidArgument(std::string(key), "expected " + std::string(expected) + ", got " +
                                               std::string(got.TypeName()));
}

template <typename T>
Result<T> Required(std::string_view key, std::string_view expected,
                   Result<std::optional<T>> found) {
  std::optional<T> value = TRY(std::move(found));
  if (!value)
    return InvalidArgument(std::string(key), "missing; expected " + std::string(expected),
                           "missing_field");
  return *std::move(value);
}

// The member, nullptr when absent or null; an error when `object` is no object.
Result<const Json*> Lookup(const Json& object, std::string_view key) {
  if (!object.is_object())
    return WrongType("", "an object with a member \"" + std::string(key) + "\"", object);
  const Json* found = object.Find(key);
  return found != nullptr && found->is_null() ? nullptr : found;
}

}  // namespace

Result<std::optional<std::string>> OptionalString(const Json& object, std::string_view key) {
  const Json* found = TRY(Lookup(object, key));
  if (found == nullptr) return std::optional<std::string>();
  if (!found->is_string()) return WrongType(key, "a string", *found);
  return std::optional(found->AsString());
}

Result<std::optional<int64_t>> OptionalInt(const Json& object, std::string_view key) {
  const Json* found = TRY(Lookup(object, key));
  if (found == nullptr) return std::optional<int64_t>();
  if (!found->is_int()) return WrongType(key, "an integer", *found);
  return std::optional(found->AsInt());
}

Result<std::optional<double>> OptionalDouble(const Json& object, std::string_view key) {
  const Json* found = TRY(Lookup(object, key));
  if (found == nullptr) return std::optional<double>();
  if (!found->is_number()) return WrongType(key, "a number", *found);
  return std::optional(found->AsDouble());
}

Result<std::optional<bool>> OptionalBool(const Json& object, std::string_view key) {
  const Json* found = TRY(Lookup(object, key));
  if (found == nullptr) return std::optional<bool>();
  if (!found->is_bool()) return WrongType(key, "true or false", *found);
  return std::optional(found->AsBool());
}

Result<std::string> RequireString(const Json& object, std::string_view key) {
  return Required<std::string>(key, "a string", OptionalString(object, key));
}
Result<int64_t> RequireInt(const Json& object, std::string_view key) {
  return Required<int64_t>(key, "an integer", OptionalInt(object, key));
}
Result<double> RequireDouble(const Json& object, std::string_view key) {
  return Required<double>(key, "a number", OptionalDouble(object, key));
}

Status RequireOnly(const Json& object, std::initializer_list<std::string_view> known) {
  if (!object.is_object()) return WrongType("", "an object", object);
  const std::vector<std::string_view> words(known);
  for (const auto& [key, value] : object.AsObject()) {
    bool found = false;
    for (const std::string_view word : words) found = found || word == key;
    if (!found)
      return InvalidArgument(key, "unknown field" + DidYouMean(key, words), "unknown_field");
  }
  return Status::Ok();
}

}  // namespace slipway::base
