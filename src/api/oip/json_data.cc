// SPDX-License-Identifier: Apache-2.0
// A prediction over REST: the numbers and strings of a JSON tensor.
#include "api/oip/json_data.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <type_traits>
#include <utility>

namespace slipway::api::oip {
namespace {

using base::InvalidArgument;
using base::Status;
using inference::DataType;
using inference::Shape;
using inference::Tensor;

template <typename T>
bool ParseWhole(std::string_view token, T& out) {
  const char* end = token.data() + token.size();
  const auto parsed = std::from_chars(token.data(), end, out);
  if (parsed.ec == std::errc() && parsed.ptr == end) return true;
  if (token.find_first_of(".eE") == token.npos) return false;
  double number = 0;
  if (std::from_chars(token.data(), end, number).ec != std::errc()) return false;
  // 2^digits is exact in double, the largest integer may not be.
  const double limit = std::ldexp(1.0, std::numeric_limits<T>::digits);
  const double least = std::is_signed_v<T> ? -limit : 0.0;
  if (number != std::floor(number) || number < least || number >= limit) return false;
  out = static_cast<T>(number);
  return true;
}

template <typename T>
bool ParseFloating(std::string_view token, T& out) {
  const auto parsed = std::from_chars(token.data(), token.data() + token.size(), out);
  if (parsed.ec == std::errc()) return true;
  // Too large, or so small that it is 0: only strtod tells them apart.
  const double number = std::strtod(std::string(token).c_str(), nullptr);
  out = static_cast<T>(number);
  return std::isfinite(out);
}

template <typename T>
bool ParseNonFinite(std::string_view word, T& out) {
  if (word == "NaN") {
    out = std::numeric_limits<T>::quiet_NaN();
  } else if (word == "Infinity") {
    out = std::numeric_limits<T>::infinity();
  } else if (word == "-Infinity") {
    out = -std::numeric_limits<T>::infinity();
  } else {
    return false;
  }
  return true;
}

// Fills a tensor's elements from its "data".
template <typename T>
class DataReader {
 public:
  DataReader(JsonReader& reader, T* out, const Tensor& tensor, const FieldPath& field)
      : reader_(reader),
        out_(out),
        shape_(tensor.shape()),
        count_(static_cast<size_t>(tensor.element_count())),
        type_(tensor.type()),
        field_(field) {}

  Status Read() {
    JsonReader probe = reader_;
    probe.EnterArray();
    const bool nested = probe.NextItem() && probe.Peek() == JsonType::kArray && !shape_.empty();
    return nested ? ReadLevel(0) : ReadFlat();
  }

 private:
  Status ReadFlat() {
    reader_.EnterArray();
    while (true) {
      ReadShort(count_ - next_);
      if (!reader_.NextItem()) break;
      if (next_ == count_) return WrongCount("more");
      if (!ReadElement(out_[next_])) return BadElement();
      ++next_;
    }
    if (!reader_.ok()) return reader_.error();
    return next_ == count_ ? Status::Ok() : WrongCount(std::to_string(next_));
  }

  // The array of dimension `level`, with as many items as the shape says there.
  Status ReadLevel(size_t level) {
    const int64_t wanted = shape_[level];
    const bool last = level + 1 == shape_.size();
    if (reader_.Peek() != JsonType::kArray) {
      return WrongType(reader_, field_, "arrays nested as the shape says, or one flat array",
                       reader_.Peek());
    }
    reader_.EnterArray();
    int64_t given = 0;
    while (true) {
      if (last) given += ReadShort(static_cast<size_t>(wanted - given));
      if (!reader_.NextItem()) break;
      if (++given > wanted) return WrongLength(level);
      if (!last) {
        if (Status status = ReadLevel(level + 1); !status.ok()) return status;
      } else if (ReadElement(out_[next_])) {
        ++next_;
      } else {
        return BadElement();
      }
    }
    if (!reader_.ok()) return reader_.error();
    return given == wanted ? Status::Ok() : WrongLength(level);
  }

  // The numbers from here on that need no closer look, which are most; says how many.
  int64_t ReadShort([[maybe_unused]] size_t most) {
    if constexpr (std::is_floating_point_v<T>) {
      const size_t read = reader_.ReadNumbers(out_ + next_, most);
      next_ += read;
      return static_cast<int64_t>(read);
    }
    return 0;
  }

  // False when the value is not one that T can hold; got_ then says what it is.
  bool ReadElement(T& out) {
    const JsonType type = reader_.Peek();
    got_ = JsonTypeText(type);
    if constexpr (std::is_same_v<T, std::string>) {
      return type == JsonType::kString && reader_.ReadString(out);
    } else if constexpr (std::is_same_v<T, bool>) {
      return type == JsonType::kBool && reader_.ReadBool(out);
    } else {
      if (type == JsonType::kNumber) {
        if (!reader_.ReadNumber(got_)) return false;
        if constexpr (std::is_floating_point_v<T>) {
          return ParseFloating(got_, out);
        } else {
          return ParseWhole(got_, out);
        }
      }
      return std::is_floating_point_v<T> && ReadNonFinite(type, out);
    }
  }

  // null, NaN and the infinities, bare or as strings.
  bool ReadNonFinite(JsonType type, T& out) {
    if constexpr (std::is_floating_point_v<T>) {
      std::string_view word = "NaN";
      if (type == JsonType::kNull) return reader_.ReadNull() && ParseNonFinite(word, out);
      if (type == JsonType::kNonFinite)
        return reader_.ReadNonFinite(word) && ParseNonFinite(word, out);
      std::string text;
      return type == JsonType::kString && reader_.ReadString(text) && ParseNonFinite<T>(text, out);
    } else {
      return false;
    }
  }

  Status WrongCount(const std::string& got) const {
    return InvalidArgument(field_.Text(), "expected " + std::to_string(count_) +
                                              " elements, as the shape says, got " + got);
  }

  Status WrongLength(size_t level) const {
    return InvalidArgument(field_.Text(), "an array of dimension " + std::to_string(level) +
                                              " has not the " + std::to_string(shape_[level]) +
                                              " items that the shape says");
  }

  Status BadElement() const {
    if (!reader_.ok()) return reader_.error();
    return InvalidArgument(field_.Text(), "element " + std::to_string(next_) + " is not " +
                                              Wanted() + ": " + std::string(got_.substr(0, 40)));
  }

  std::string Wanted() const {
    if (type_ == DataType::kString) return "a string (BYTES)";
    if (type_ == DataType::kBool) return "true or false (BOOL)";
    return "a number that " + std::string(DataTypeName(type_)) + " can hold";
  }

  JsonReader& reader_;
  T* const out_;
  const Shape& shape_;
  const size_t count_;
  const DataType type_;
  const FieldPath& field_;  // of the data
  size_t next_ = 0;
  std::string_view got_;
};

template <typename T>
base::Result<Tensor> ReadNumbers(DataType type, Shape shape, JsonReader& reader,
                                 const FieldPath& field) {
  Tensor tensor(type, std::move(shape));
  auto* out = reinterpret_cast<T*>(tensor.mutable_bytes().data());
  TRY(DataReader<T>(reader, out, tensor, field).Read());
  return tensor;
}

base::Result<Tensor> ReadStrings(Shape shape, JsonReader& reader, const FieldPath& field) {
  Tensor tensor(DataType::kString, std::move(shape));
  TRY(DataReader<std::string>(reader, tensor.mutable_strings().data(), tensor, field).Read());
  return tensor;
}

// And the refusal of what is no number in JSON.
base::Result<Tensor> ReadIntegers(DataType type, Shape shape, JsonReader& reader,
                                  const FieldPath& field) {
  switch (type) {
    case DataType::kUint8:
      return ReadNumbers<uint8_t>(type, std::move(shape), reader, field);
    case DataType::kUint16:
      return ReadNumbers<uint16_t>(type, std::move(shape), reader, field);
    case DataType::kUint32:
      return ReadNumbers<uint32_t>(type, std::move(shape), reader, field);
    case DataType::kUint64:
      return ReadNumbers<uint64_t>(type, std::move(shape), reader, field);
    case DataType::kInt8:
      return ReadNumbers<int8_t>(type, std::move(shape), reader, field);
    case DataType::kInt16:
      return ReadNumbers<int16_t>(type, std::move(shape), reader, field);
    case DataType::kInt32:
      return ReadNumbers<int32_t>(type, std::move(shape), reader, field);
    case DataType::kInt64:
      return ReadNumbers<int64_t>(type, std::move(shape), reader, field);
    default:
      return InvalidArgument(field.Text(),
                             std::string(DataTypeName(type)) +
                                 " goes as binary data only (parameters.binary_data_size)");
  }
}

}  // namespace

Status WrongType(const JsonReader& reader, const FieldPath& field, std::string_view expected,
                 JsonType got) {
  if (!reader.ok()) return reader.error();
  return InvalidArgument(field.Text(), "expected " + std::string(expected) + ", got " +
                                           std::string(JsonTypeText(got)));
}

bool ReadWhole(JsonReader& reader, int64_t& out) {
  std::string_view token;
  return reader.Peek() == JsonType::kNumber && reader.ReadNumber(token) && ParseWhole(token, out);
}

base::Result<Tensor> TensorFromJson(DataType type, Shape shape, JsonReader& reader,
                                    const FieldPath& field, size_t json_bytes) {
  if (reader.Peek() != JsonType::kArray) return WrongType(reader, field, "an array", reader.Peek());
  const int64_t count = TRY(inference::ElementCount(shape));
  // An element takes a character at least, so more cannot be there: nothing is allocated for a
  // shape that lies.
  if (static_cast<uint64_t>(count) > json_bytes) {
    return InvalidArgument(field.Text(), "expected " + std::to_string(count) +
                                             " elements, as the shape says, got fewer");
  }
  switch (type) {
    case DataType::kBool:
      return ReadNumbers<bool>(type, std::move(shape), reader, field);
    case DataType::kFp32:
      return ReadNumbers<float>(type, std::move(shape), reader, field);
    case DataType::kFp64:
      return ReadNumbers<double>(type, std::move(shape), reader, field);
    case DataType::kString:
      return ReadStrings(std::move(shape), reader, field);
    default:
      return ReadIntegers(type, std::move(shape), reader, field);
  }
}

}  // namespace slipway::api::oip
