// SPDX-License-Identifier: Apache-2.0
// Loading a version: what a value of an XGBoost model file is asked for.
#include "inference/trees/document.h"

#include <string>
#include <string_view>

#include "base/status.h"
#include "inference/trees/ensemble.h"

namespace slipway::inference::trees {
namespace {

base::Status Expected(std::string_view key, std::string_view what) {
  return BadModel("expected " + std::string(what) + " in \"" + std::string(key) + "\"");
}

}  // namespace

const Value* Value::Find(std::string_view key) const {
  const Object* members = object();
  if (members == nullptr) return nullptr;
  for (const auto& [name, value] : *members) {
    if (name == key) return &value;
  }
  return nullptr;
}

base::Result<const Value*> Value::Member(std::string_view key) const {
  const Value* value = Find(key);
  if (value == nullptr) return BadModel("\"" + std::string(key) + "\" is missing");
  return value;
}

base::Result<std::string> Value::Text(std::string_view key) const {
  const Value* value = TRY(Member(key));
  if (value->text() == nullptr) return Expected(key, "a string");
  return *value->text();
}

base::Result<const Value::Numbers*> Value::NumberArray(std::string_view key) const {
  static const Numbers kNone;
  const Value* value = TRY(Member(key));
  if (value->array() != nullptr && value->array()->empty()) return &kNone;
  if (value->numbers() == nullptr) return Expected(key, "an array of numbers");
  return value->numbers();
}

base::Result<const Value::Array*> Value::ValueArray(std::string_view key) const {
  static const Array kNone;
  const Value* value = TRY(Member(key));
  if (value->numbers() != nullptr && value->numbers()->empty()) return &kNone;
  if (value->array() == nullptr) return Expected(key, "an array");
  return value->array();
}

}  // namespace slipway::inference::trees
