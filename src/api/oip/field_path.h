// SPDX-License-Identifier: Apache-2.0
// FieldPath: where in a request the decoder is, as a chain on the stack: "inputs[3].shape" is only
// written out for an error. Private to the room.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace slipway::api::oip {

// Refers to its parent and its name, which must outlive it.
class FieldPath {
 public:
  explicit FieldPath(std::string_view name) : name_(name) {}
  FieldPath Member(std::string_view name) const { return {this, name, kNoIndex}; }
  FieldPath Item(size_t index) const { return {this, {}, index}; }

  std::string Text() const {
    if (parent_ == nullptr) return std::string(name_);
    std::string text = parent_->Text();
    if (index_ != kNoIndex) return text.append("[").append(std::to_string(index_)).append("]");
    return text.append(".").append(name_);
  }

 private:
  static constexpr size_t kNoIndex = static_cast<size_t>(-1);
  FieldPath(const FieldPath* parent, std::string_view name, size_t index)
      : parent_(parent), name_(name), index_(index) {}

  const FieldPath* parent_ = nullptr;
  std::string_view name_;
  size_t index_ = kNoIndex;
};

}  // namespace slipway::api::oip
