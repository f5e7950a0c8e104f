// SPDX-License-Identifier: Apache-2.0
// Tensor: typed, shaped, row-major, little-endian. Either borrows bytes kept alive by `owner` (a request body, a gRPC message) or
// owns them. Strings are kept apart. Value: a tensor, or a sequence or map of values (ONNX-ML outputs such as ZipMap's).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/status.h"

namespace slipway::inference {

// Open Inference Protocol's spelling by DataTypeName: BOOL, UINT8 ... FP64, BYTES (strings).
enum class DataType : uint8_t {
  kBool, kUint8, kUint16, kUint32, kUint64, kInt8, kInt16, kInt32, kInt64, kFp16, kBf16, kFp32, kFp64, kString,
};
std::string_view DataTypeName(DataType type);
base::Result<DataType> ParseDataType(std::string_view name);  // kInvalidArgument naming the known ones
size_t SizeOf(DataType type);                                 // bytes an element; 0 for strings

using Shape = std::vector<int64_t>;  // -1: any size (in descriptions only)
// Elements; kInvalidArgument on a negative dimension or overflow.
base::Result<int64_t> ElementCount(const Shape& shape);

class Tensor {
 public:
  Tensor() = default;
  // Zeroed, owned.
  Tensor(DataType type, Shape shape);
  static Tensor Strings(Shape shape, std::vector<std::string> values);
  // `bytes` must stay valid as long as `owner` lives; alignment is the caller's (copy when it does not fit).
  static Tensor Borrow(DataType type, Shape shape, std::span<const std::byte> bytes, std::shared_ptr<const void> owner);
  template <typename T>
  static Tensor Of(Shape shape, const std::vector<T>& values);

  DataType type() const { return type_; }
  const Shape& shape() const { return shape_; }
  int64_t element_count() const { return count_; }
  // Rows: the first dimension; 1 for a scalar.
  int64_t rows() const { return shape_.empty() ? 1 : shape_[0]; }
  std::span<const std::byte> bytes() const;   // empty for strings
  std::span<std::byte> mutable_bytes();       // owned tensors only
  const std::vector<std::string>& strings() const { return strings_; }
  std::vector<std::string>& mutable_strings() { return strings_; }
  template <typename T>
  std::span<const T> As() const {
    return {reinterpret_cast<const T*>(bytes().data()), static_cast<size_t>(count_)};
  }
  // Same elements, other shape of equal count.
  base::Result<Tensor> Reshape(Shape shape) const;
  // Element as double (bool 0/1, half types widened); CHECKs for strings.
  double NumberAt(int64_t index) const;
  // Rows [begin, end), borrowed where possible.
  Tensor Slice(int64_t begin, int64_t end) const;

 private:
  DataType type_ = DataType::kFp32;
  Shape shape_ = {0};
  int64_t count_ = 0;
  std::shared_ptr<const void> owner_;
  std::span<const std::byte> view_;
  std::vector<std::string> strings_;
};
// Stacks along the first dimension; all of one type and inner shape.
base::Result<Tensor> Concatenate(std::span<const Tensor> parts);

struct Value;
struct Sequence {
  std::vector<Value> items;
};
// Keys int64 or string, values float-like, as ONNX-ML has them: parallel arrays.
struct Map {
  Tensor keys;
  Tensor values;
};
struct Value {
  std::variant<Tensor, Sequence, Map> content;
};

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

// What a model takes and gives.
struct TensorSpec {
  std::string name;
  DataType type = DataType::kFp32;
  Shape shape;  // -1: any
};

struct Request {
  std::vector<NamedTensor> inputs;
  std::vector<std::string> outputs;  // asked for; empty: all
};
struct Response {
  std::vector<NamedTensor> outputs;
};

}  // namespace slipway::inference
