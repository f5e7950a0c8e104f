// SPDX-License-Identifier: Apache-2.0
// Loading a version: UBJSON as XGBoost writes it, big-endian.
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/status.h"
#include "inference/trees/document.h"
#include "inference/trees/ensemble.h"

namespace slipway::inference::trees {
namespace {

class UbjsonReader {
 public:
  explicit UbjsonReader(std::string_view bytes) : bytes_(bytes) {}

  base::Result<Value> Document() {
    Value value = TRY(Read(TRY(Byte()), 0));
    if (at_ != bytes_.size()) return Wrong("expected the end of the file");
    return value;
  }

 private:
  [[nodiscard]] base::Status Wrong(const std::string& why) const {
    return BadModel("byte " + std::to_string(at_) + " of its UBJSON: " + why);
  }
  [[nodiscard]] size_t left() const { return bytes_.size() - at_; }

  base::Result<char> Byte() {
    if (left() == 0) return Wrong("the file ends early");
    return bytes_[at_++];
  }
  bool Take(char wanted) {
    if (left() == 0 || bytes_[at_] != wanted) return false;
    ++at_;
    return true;
  }

  static size_t SizeOf(char type) {
    switch (type) {
      case 'i':
      case 'U':
        return 1;
      case 'I':
        return 2;
      case 'l':
      case 'd':
        return 4;
      case 'L':
      case 'D':
        return 8;
      default:
        return 0;
    }
  }

  // The bytes are there.
  double NumberAt(const char* at, char type) const {
    uint64_t bits = 0;
    for (size_t i = 0; i < SizeOf(type); ++i) bits = bits << 8 | static_cast<uint8_t>(at[i]);
    switch (type) {
      case 'i':
        return static_cast<int8_t>(bits);
      case 'U':
        return static_cast<uint8_t>(bits);
      case 'I':
        return static_cast<int16_t>(bits);
      case 'l':
        return static_cast<int32_t>(bits);
      case 'L':
        return static_cast<double>(static_cast<int64_t>(bits));
      case 'd':
        return std::bit_cast<float>(static_cast<uint32_t>(bits));
      default:
        return std::bit_cast<double>(bits);
    }
  }

  base::Result<double> Number(char type) {
    const size_t size = SizeOf(type);
    if (size == 0) return Wrong(std::string("unknown type '") + type + "'");
    if (left() < size) return Wrong("the file ends early");
    const double value = NumberAt(bytes_.data() + at_, type);
    at_ += size;
    return value;
  }

  base::Result<size_t> Length() {
    const double length = TRY(Number(TRY(Byte())));
    if (!(length >= 0 && length <= static_cast<double>(left())))
      return Wrong("a length is larger than the file");
    return static_cast<size_t>(length);
  }

  base::Result<std::string> String() {
    const size_t length = TRY(Length());
    std::string text(bytes_.substr(at_, length));
    at_ += length;
    return text;
  }

  base::Result<Value> Read(char type, int depth) {
    if (depth > kMostDocumentDepth) return Wrong("nested too deep");
    if (++values_ > kMostDocumentValues) return Wrong("too many values");
    switch (type) {
      case '{':
        return Object(depth);
      case '[':
        return Array(depth);
      case 'S':
        return Value(TRY(String()));
      case 'C':
        return Value(std::string(1, TRY(Byte())));
      case 'Z':
        return Value();
      case 'T':
        return Value(1.0);
      case 'F':
        return Value(0.0);
      default:
        return Value(TRY(Number(type)));
    }
  }

  base::Result<Value> Array(int depth) {
    if (Take('$')) return Typed();
    Value::Array values;
    if (Take('#')) {
      const size_t length = TRY(Length());
      for (size_t i = 0; i < length; ++i) values.push_back(TRY(Read(TRY(Byte()), depth + 1)));
    } else {
      while (!Take(']')) values.push_back(TRY(Read(TRY(Byte()), depth + 1)));
    }
    Value::Numbers numbers;
    for (const Value& value : values) {
      if (value.number() == nullptr) return Value(std::move(values));
      numbers.push_back(*value.number());
    }
    return Value(std::move(numbers));
  }

  // $ type # length, then the bare numbers.
  base::Result<Value> Typed() {
    const char type = TRY(Byte());
    const size_t size = SizeOf(type);
    if (size == 0) return Wrong(std::string("an array of type '") + type + "' is not supported");
    if (!Take('#')) return Wrong("expected # after an array's type");
    const size_t length = TRY(Length());
    if (length > left() / size) return Wrong("an array is larger than the file");
    values_ += length;
    Value::Numbers numbers(length);
    for (size_t i = 0; i < length; ++i) numbers[i] = NumberAt(bytes_.data() + at_ + i * size, type);
    at_ += length * size;
    return Value(std::move(numbers));
  }

  base::Result<Value> Object(int depth) {
    Value::Object members;
    while (!Take('}')) {
      std::string key = TRY(String());
      members.emplace_back(std::move(key), TRY(Read(TRY(Byte()), depth + 1)));
    }
    return Value(std::move(members));
  }

  std::string_view bytes_;
  size_t at_ = 0;
  size_t values_ = 0;
};

}  // namespace

base::Result<Value> ParseUbjsonDocument(std::string_view bytes) {
  return UbjsonReader(bytes).Document();
}

}  // namespace slipway::inference::trees
