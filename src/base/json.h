// SPDX-License-Identifier: Apache-2.0
// Json: a value tree for the control path (settings, APIs, events). Hot paths decode their own wire
// format. Objects keep insertion order. Integers that fit int64 stay exact; other numbers are
// double. Parsing: strict RFC 8259, depth <= 64 (kMaxJsonDepth), duplicate keys refused; errors
// name the byte offset.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/status.h"

namespace slipway::base {

inline constexpr size_t kMaxJsonDepth = 64;

class Json {
 public:
  using Array = std::vector<Json>;
  using Member = std::pair<std::string, Json>;
  using Object = std::vector<Member>;

  Json() = default;
  Json(std::nullptr_t) {}                                   // NOLINT(google-explicit-constructor)
  Json(bool value) : value_(value) {}                       // NOLINT(google-explicit-constructor)
  Json(int value) : value_(static_cast<int64_t>(value)) {}  // NOLINT(google-explicit-constructor)
  Json(int64_t value) : value_(value) {}                    // NOLINT(google-explicit-constructor)
  Json(uint64_t value);                                     // NOLINT(google-explicit-constructor)
  Json(double value) : value_(value) {}                     // NOLINT(google-explicit-constructor)
  Json(const char* value) : value_(std::string(value)) {}   // NOLINT(google-explicit-constructor)
  Json(std::string value) : value_(std::move(value)) {}     // NOLINT(google-explicit-constructor)
  Json(std::string_view value)
      : value_(std::string(value)) {}               // NOLINT(google-explicit-constructor)
  Json(Array value) : value_(std::move(value)) {}   // NOLINT(google-explicit-constructor)
  Json(Object value) : value_(std::move(value)) {}  // NOLINT(google-explicit-constructor)

  // MakeObject({{"name", "x"}, {"n", 3}}) and MakeArray({1, 2}).
  static Json MakeObject(std::initializer_list<Member> members = {});
  static Json MakeArray(std::initializer_list<Json> items = {});
  static Result<Json> Parse(std::string_view text);

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  bool is_bool() const { return std::holds_alternative<bool>(value_); }
  bool is_int() const { return std::holds_alternative<int64_t>(value_); }
  bool is_number() const { return is_int() || std::holds_alternative<double>(value_); }
  bool is_string() const { return std::holds_alternative<std::string>(value_); }
  bool is_array() const { return std::holds_alternative<Array>(value_); }
  bool is_object() const { return std::holds_alternative<Object>(value_); }
  // "null", "boolean", "integer", "number", "string", "array" or "object".
  std::string_view TypeName() const;

  // Each CHECKs the type: ask first, or use the readers below.
  bool AsBool() const { return Get<bool>(); }
  int64_t AsInt() const { return Get<int64_t>(); }
  double AsDouble() const;  // integers too
  const std::string& AsString() const { return Get<std::string>(); }
  const Array& AsArray() const { return Get<Array>(); }
  Array& AsArray() { return const_cast<Array&>(Get<Array>()); }
  const Object& AsObject() const { return Get<Object>(); }
  Object& AsObject() { return const_cast<Object&>(Get<Object>()); }

  // nullptr when this is not an object or has no such member.
  const Json* Find(std::string_view key) const;
  Json* Find(std::string_view key);
  // Adds or replaces a member; a null value becomes an object first. Returns *this.
  Json& Set(std::string_view key, Json value);
  // Appends to an array; a null value becomes an array first. Returns *this.
  Json& Append(Json value);

  // Compact; `indent` > 0 prints it for people. NaN and infinities, which JSON lacks, print as
  // null; bytes that are not UTF-8 print as U+FFFD. A double prints as the shortest text that reads
  // back as it: 2.0 prints as 2, an integer again.
  std::string Dump(int indent = 0) const;

  friend bool operator==(const Json&, const Json&) = default;

 private:
  template <typename T>
  const T& Get() const {
    const T* value = std::get_if<T>(&value_);
    CHECK(value != nullptr, TypeName());
    return *value;
  }

  std::variant<std::monostate, bool, int64_t, double, std::string, Array, Object> value_;
};

// Readers for request bodies: kInvalidArgument naming `key` and the expected type. A JSON null
// counts as absent.
Result<std::string> RequireString(const Json& object, std::string_view key);
Result<int64_t> RequireInt(const Json& object, std::string_view key);
Result<double> RequireDouble(const Json& object, std::string_view key);
Result<std::optional<std::string>> OptionalString(const Json& object, std::string_view key);
Result<std::optional<int64_t>> OptionalInt(const Json& object, std::string_view key);
Result<std::optional<double>> OptionalDouble(const Json& object, std::string_view key);
Result<std::optional<bool>> OptionalBool(const Json& object, std::string_view key);
// The object has only these keys: a misspelt one is an error that names it and the nearest known
// one.
Status RequireOnly(const Json& object, std::initializer_list<std::string_view> known);

// Length of the valid UTF-8 sequence at the front of `text`, which is not empty (1 to 4), or 0 when
// there is none.
size_t Utf8Length(std::string_view text);
// Appends `text` quoted and escaped.
void AppendJsonString(std::string& out, std::string_view text);
// Shortest text that reads back as the same double (or float).
void AppendJsonNumber(std::string& out, double value);
void AppendJsonNumber(std::string& out, float value);

}  // namespace slipway::base
