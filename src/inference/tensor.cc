// SPDX-License-Identifier: Apache-2.0
// A prediction's data: what the wire decodes into, the batcher stacks and splits, and the runtime
// reads without a copy.
#include "inference/tensor.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace slipway::inference {
namespace {

struct TypeRow {
  std::string_view name;
  size_t size;
};
// In the order of DataType.
constexpr std::array<TypeRow, 14> kTypes = {{{"BOOL", 1},
                                             {"UINT8", 1},
                                             {"UINT16", 2},
                                             {"UINT32", 4},
                                             {"UINT64", 8},
                                             {"INT8", 1},
                                             {"INT16", 2},
                                             {"INT32", 4},
                                             {"INT64", 8},
                                             {"FP16", 2},
                                             {"BF16", 2},
                                             {"FP32", 4},
                                             {"FP64", 8},
                                             {"BYTES", 0}}};

struct FewBytes {
  alignas(std::max_align_t) std::byte bytes[64] = {};
};

int64_t CheckedCount(const Shape& shape) {
  auto count = ElementCount(shape);
  CHECK(count.ok(), "a tensor needs a valid shape");
  return *count;
}

double WidenBf16(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

// IEEE 754 binary16: 1 sign, 5 exponent (bias 15), 10 fraction bits.
double WidenFp16(uint16_t bits) {
  const double sign = (bits & 0x8000) != 0 ? -1.0 : 1.0;
  const int exponent = (bits >> 10) & 0x1f;
  const int fraction = bits & 0x3ff;
  if (exponent == 0x1f) {
    return fraction != 0 ? std::numeric_limits<double>::quiet_NaN()
                         : sign * std::numeric_limits<double>::infinity();
  }
  const int scale = exponent == 0 ? -24 : exponent - 25;
  const double significand = exponent == 0 ? fraction : fraction + 1024;
  return sign * std::ldexp(significand, scale);
}

template <typename T>
T ReadAt(std::span<const std::byte> bytes, int64_t index) {
  T value;
  std::memcpy(&value, bytes.data() + static_cast<size_t>(index) * sizeof(T), sizeof(T));
  return value;
}

template <typename T>
double NumberOf(std::span<const std::byte> bytes, int64_t index) {
  return static_cast<double>(ReadAt<T>(bytes, index));
}
double BoolOf(std::span<const std::byte> bytes, int64_t index) {
  return ReadAt<uint8_t>(bytes, index) != 0 ? 1 : 0;
}
double HalfOf(std::span<const std::byte> bytes, int64_t index) {
  return WidenFp16(ReadAt<uint16_t>(bytes, index));
}
double BrainOf(std::span<const std::byte> bytes, int64_t index) {
  return WidenBf16(ReadAt<uint16_t>(bytes, index));
}

// In the order of DataType, less the strings.
constexpr std::array<double (*)(std::span<const std::byte>, int64_t), 13> kReaders = {
    BoolOf,           NumberOf<uint8_t>, NumberOf<uint16_t>, NumberOf<uint32_t>, NumberOf<uint64_t>,
    NumberOf<int8_t>, NumberOf<int16_t>, NumberOf<int32_t>,  NumberOf<int64_t>,  HalfOf,
    BrainOf,          NumberOf<float>,   NumberOf<double>};

bool SameInnerShape(const Shape& a, const Shape& b) {
  return a.size() == b.size() && !a.empty() && std::equal(a.begin() + 1, a.end(), b.begin() + 1);
}

}  // namespace

std::string_view DataTypeName(DataType type) { return kTypes[static_cast<size_t>(type)].name; }

base::Result<DataType> ParseDataType(std::string_view name) {
  for (size_t i = 0; i < kTypes.size(); ++i) {
    if (kTypes[i].name == name) return static_cast<DataType>(i);
  }
  std::string known;
  for (const TypeRow& row : kTypes) known += (known.empty() ? "" : ", ") + std::string(row.name);
  return base::InvalidArgument(
      "datatype", "unknown datatype '" + std::string(name) + "'; expected one of " + known,
      "unknown_datatype");
}

size_t SizeOf(DataType type) { return kTypes[static_cast<size_t>(type)].size; }

base::Result<int64_t> ElementCount(const Shape& shape) {
  // So that a count times the widest element still fits in 63 bits.
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max() / 16;
  int64_t count = 1;
  bool overflow = false;
  for (const int64_t dimension : shape) {
    if (dimension < 0) {
      return base::InvalidArgument("shape", "negative dimension " + std::to_string(dimension),
                                   "bad_shape");
    }
    // A zero anywhere makes the count zero, whatever the others are.
    if (dimension == 0) return int64_t{0};
    overflow = overflow || count > kMost / dimension;
    if (!overflow) count *= dimension;
  }
  if (overflow)
    return base::InvalidArgument("shape", "more elements than can be counted", "bad_shape");
  return count;
}

Tensor::Tensor(DataType type, Shape shape)
    : type_(type), shape_(std::move(shape)), count_(CheckedCount(shape_)) {
  if (type == DataType::kString) {
    strings_.resize(static_cast<size_t>(count_));
    return;
  }
  const size_t size = static_cast<size_t>(count_) * SizeOf(type);
  owned_ = true;
  if (size <= sizeof(FewBytes)) {  // one allocation: most answers to one row
    auto few = std::make_shared<FewBytes>();
    view_ = {few->bytes, size};
    owner_ = std::move(few);
    return;
  }
  // operator new, because make_shared puts the bytes behind its counters and so does not promise
  // them alignment.
  std::shared_ptr<std::byte[]> bytes(new std::byte[size]());
  view_ = {bytes.get(), size};
  owner_ = std::move(bytes);
}

Tensor Tensor::Strings(Shape shape, std::vector<std::string> values) {
  const int64_t count = CheckedCount(shape);
  Tensor tensor(DataType::kString, std::move(shape), count);
  CHECK(static_cast<size_t>(tensor.count_) == values.size(), "string values do not fit the shape");
  tensor.strings_ = std::move(values);
  return tensor;
}

Tensor Tensor::Borrow(DataType type, Shape shape, std::span<const std::byte> bytes,
                      std::shared_ptr<const void> owner) {
  const int64_t count = CheckedCount(shape);
  Tensor tensor(type, std::move(shape), count);
  CHECK(type != DataType::kString, "strings are not borrowed");
  CHECK(bytes.size() == static_cast<size_t>(tensor.count_) * SizeOf(type),
        "bytes do not fit the shape");
  tensor.view_ = bytes;
  tensor.owner_ = std::move(owner);
  return tensor;
}

std::span<std::byte> Tensor::mutable_bytes() {
  if (type_ == DataType::kString || view_.empty()) return {};
  if (!owned_ || owner_.use_count() != 1) {
    Tensor own(type_, shape_);
    std::memcpy(const_cast<std::byte*>(own.view_.data()), view_.data(), view_.size());
    *this = std::move(own);
  }
  return {const_cast<std::byte*>(view_.data()), view_.size()};
}

base::Result<Tensor> Tensor::Reshape(Shape shape) const {
  const int64_t count = TRY(ElementCount(shape));
  if (count != count_) {
    return base::InvalidArgument("shape",
                                 "a shape of " + std::to_string(count) +
                                     " elements for a tensor of " + std::to_string(count_),
                                 "bad_shape");
  }
  Tensor tensor = *this;
  tensor.shape_ = std::move(shape);
  return tensor;
}

double Tensor::NumberAt(int64_t index) const {
  CHECK(index >= 0 && index < count_, "tensor index out of range");
  CHECK(type_ != DataType::kString, "a string tensor has no numbers");
  return kReaders[static_cast<size_t>(type_)](view_, index);
}

Tensor Tensor::Slice(int64_t begin, int64_t end) const {
  CHECK(!shape_.empty() && begin >= 0 && begin <= end && end <= shape_[0], "slice out of range");
  const int64_t row = shape_[0] == 0 ? 0 : count_ / shape_[0];
  Tensor part(type_, shape_, row * (end - begin));
  part.shape_[0] = end - begin;
  if (type_ == DataType::kString) {
    part.strings_.assign(strings_.begin() + begin * row, strings_.begin() + end * row);
    return part;
  }
  const size_t row_bytes = static_cast<size_t>(row) * SizeOf(type_);
  part.view_ = view_.subspan(static_cast<size_t>(begin) * row_bytes,
                             static_cast<size_t>(end - begin) * row_bytes);
  part.owner_ = owner_;
  return part;
}

base::Result<Tensor> Concatenate(std::span<const Tensor> parts) {
  std::vector<const Tensor*> pointers;
  pointers.reserve(parts.size());
  for (const Tensor& part : parts) pointers.push_back(&part);
  return Concatenate(std::span<const Tensor* const>(pointers));
}

base::Result<Tensor> Concatenate(std::span<const Tensor* const> parts) {
  if (parts.empty()) return base::InvalidArgument("", "nothing to stack", "shapes_differ");
  const Tensor& first = *parts.front();
  if (parts.size() == 1) return first;
  Shape shape = first.shape();
  int64_t rows = 0;
  for (const Tensor* part : parts) {
    if (part->type() != first.type() || !SameInnerShape(part->shape(), first.shape())) {
      return base::InvalidArgument("", "tensors of other types or inner shapes cannot be stacked",
                                   "shapes_differ");
    }
    rows += part->rows();
  }
  shape[0] = rows;
  TRY(ElementCount(shape));
  if (first.type() == DataType::kString) {
    std::vector<std::string> strings;
    strings.reserve(static_cast<size_t>(rows));
    for (const Tensor* part : parts)
      strings.insert(strings.end(), part->strings().begin(), part->strings().end());
    return Tensor::Strings(std::move(shape), std::move(strings));
  }
  Tensor whole(first.type(), std::move(shape));
  std::byte* out = whole.mutable_bytes().data();
  for (const Tensor* part : parts) {
    if (part->bytes().empty()) continue;
    std::memcpy(out, part->bytes().data(), part->bytes().size());
    out += part->bytes().size();
  }
  return whole;
}

}  // namespace slipway::inference
