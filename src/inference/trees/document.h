// SPDX-License-Identifier: Apache-2.0
// Document: the value tree of an XGBoost model file, which is JSON or UBJSON (https://ubjson.org,
// draft 12) of the same shape. Numbers in JSON that are not integers are read as float, as XGBoost
// does; arrays of numbers only are kept flat.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/status.h"

namespace slipway::inference::trees {

class Value {
 public:
  using Numbers = std::vector<double>;  // true and false as 1 and 0
  using Array = std::vector<Value>;
  using Object = std::vector<std::pair<std::string, Value>>;

  Value() = default;
  explicit Value(double number) : content_(number) {}
  explicit Value(std::string text) : content_(std::move(text)) {}
  explicit Value(Numbers numbers) : content_(std::move(numbers)) {}
  explicit Value(Array array) : content_(std::move(array)) {}
  explicit Value(Object object) : content_(std::move(object)) {}

  // Each gives nullptr when the value is of another kind. An empty array is both numbers and array.
  [[nodiscard]] const double* number() const { return std::get_if<double>(&content_); }
  [[nodiscard]] const std::string* text() const { return std::get_if<std::string>(&content_); }
  [[nodiscard]] const Numbers* numbers() const { return std::get_if<Numbers>(&content_); }
  [[nodiscard]] const Array* array() const { return std::get_if<Array>(&content_); }
  [[nodiscard]] const Object* object() const { return std::get_if<Object>(&content_); }
  // nullptr when this is no object or has no such member.
  [[nodiscard]] const Value* Find(std::string_view key) const;

  // Readers for members that must be there: kInvalidArgument (reason "bad_model") naming the key.
  [[nodiscard]] base::Result<const Value*> Member(std::string_view key) const;
  [[nodiscard]] base::Result<std::string> Text(std::string_view key) const;
  [[nodiscard]] base::Result<const Numbers*> NumberArray(std::string_view key) const;
  [[nodiscard]] base::Result<const Array*> ValueArray(std::string_view key) const;

 private:
  std::variant<std::monostate, double, std::string, Numbers, Array, Object> content_;
};

inline constexpr int kMostDocumentDepth = 64;
inline constexpr size_t kMostDocumentValues = 600'000'000;  // numbers, strings, arrays and objects

// kInvalidArgument (reason "bad_model") with the byte at which reading failed.
base::Result<Value> ParseJsonDocument(std::string_view text);
base::Result<Value> ParseUbjsonDocument(std::string_view bytes);

}  // namespace slipway::inference::trees
