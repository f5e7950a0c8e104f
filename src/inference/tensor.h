// SPDX-License-Identifier: Apache-2.0
// Tensor: typed, shaped, row-major, little-endian. Either borrows bytes kept alive by `owner` (a
// request body, a gRPC message) or owns them. Strings are kept apart. Value: a tensor, or a
// sequence or map of values (ONNX-ML outputs such as ZipMap's).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/status.h"

namespace slipway::inference {

// Open Inference Protocol's spelling by DataTypeName: BOOL, UINT8 ... FP64, BYTES (strings).
enum class DataType : uint8_t {
  kBool,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kFp16,
  kBf16,
  kFp32,
  kFp64,
  kString,
};
std::string_view DataTypeName(DataType type);
base::Result<DataType> ParseDataType(
    std::string_view name);    // kInvalidArgument naming the known ones
size_t SizeOf(DataType type);  // bytes an element; 0 for strings

using Shape = std::vector<int64_t>;  // -1: any size (in descriptions only)
// Elements; kInvalidArgument on a negative dimension or overflow.
base::Result<int64_t> ElementCount(const Shape& shape);

// A value type: a copy shares the bytes, mutable_bytes() gives a tensor bytes of its own first when
// they are shared or borrowed.
class Tensor {
 public:
  Tensor() = default;  // FP32 [0]
  // Zeroed (or empty strings), owned. The shape must be valid (ElementCount).
  Tensor(DataType type, Shape shape);
  static Tensor Strings(Shape shape, std::vector<std::string> values);
  // `bytes` must stay valid as long as `owner` lives; alignment is the caller's (copy when it does
  // not fit). `bytes` is exactly ElementCount * SizeOf long; not for strings.
  static Tensor Borrow(DataType type, Shape shape, std::span<const std::byte> bytes,
                       std::shared_ptr<const void> owner);
  // T: bool, an integer, float, double or std::string; `values` has ElementCount(shape) elements.
  template <typename T>
  static Tensor Of(Shape shape, const std::vector<T>& values);

  [[nodiscard]] DataType type() const { return type_; }
  [[nodiscard]] const Shape& shape() const { return shape_; }
  [[nodiscard]] int64_t element_count() const { return count_; }
  // Rows: the first dimension; 1 for a scalar.
  [[nodiscard]] int64_t rows() const { return shape_.empty() ? 1 : shape_[0]; }
  [[nodiscard]] std::span<const std::byte> bytes() const { return view_; }  // empty for strings
  std::span<std::byte> mutable_bytes();
  [[nodiscard]] const std::vector<std::string>& strings() const { return strings_; }
  std::vector<std::string>& mutable_strings() { return strings_; }
  // T must have the element's size (CHECKed).
  template <typename T>
  [[nodiscard]] std::span<const T> As() const {
    CHECK(sizeof(T) == SizeOf(type_), "tensor read as another type");
    return {reinterpret_cast<const T*>(view_.data()), static_cast<size_t>(count_)};
  }
  // Same elements, other shape of equal count.
  [[nodiscard]] base::Result<Tensor> Reshape(Shape shape) const;
  // Element as double (bool 0/1, half types widened); CHECKs for strings.
  [[nodiscard]] double NumberAt(int64_t index) const;
  // Rows [begin, end) of a tensor of rank >= 1; the bytes are shared, strings are copied.
  [[nodiscard]] Tensor Slice(int64_t begin, int64_t end) const;

 private:
  Tensor(DataType type, Shape shape, int64_t count)
      : type_(type), shape_(std::move(shape)), count_(count) {}

  DataType type_ = DataType::kFp32;
  bool owned_ = false;  // owner_ is bytes that a Tensor made, not a borrowed body
  Shape shape_ = {0};
  int64_t count_ = 0;
  std::shared_ptr<const void> owner_;
  std::span<const std::byte> view_;
  std::vector<std::string> strings_;
};

template <typename T>
constexpr DataType DataTypeOf() {
  if constexpr (std::is_same_v<T, bool>) {
    return DataType::kBool;
  } else if constexpr (std::is_same_v<T, float>) {
    return DataType::kFp32;
  } else if constexpr (std::is_same_v<T, double>) {
    return DataType::kFp64;
  } else if constexpr (std::is_same_v<T, std::string>) {
    return DataType::kString;
  } else {
    static_assert(std::is_integral_v<T>);
    constexpr DataType kSigned[] = {DataType::kInt8, DataType::kInt16, DataType::kInt32,
                                    DataType::kInt64};
    constexpr DataType kUnsigned[] = {DataType::kUint8, DataType::kUint16, DataType::kUint32,
                                      DataType::kUint64};
    constexpr size_t kLog2 = sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 1 : sizeof(T) == 4 ? 2 : 3;
    return std::is_signed_v<T> ? kSigned[kLog2] : kUnsigned[kLog2];
  }
}

template <typename T>
Tensor Tensor::Of(Shape shape, const std::vector<T>& values) {
  if constexpr (std::is_same_v<T, std::string>) {
    return Strings(std::move(shape), values);
  } else {
    Tensor tensor(DataTypeOf<T>(), std::move(shape));
    CHECK(static_cast<size_t>(tensor.element_count()) == values.size(),
          "tensor values do not fit its shape");
    T* out = reinterpret_cast<T*>(tensor.mutable_bytes().data());
    for (size_t i = 0; i < values.size(); ++i) out[i] = values[i];
    return tensor;
  }
}

// Stacks along the first dimension; at least one part, all of one type and inner shape, else
// kInvalidArgument (reason "shapes_differ"). A single part is returned as it is, without a copy.
base::Result<Tensor> Concatenate(std::span<const Tensor> parts);
base::Result<Tensor> Concatenate(std::span<const Tensor* const> parts);

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
  // For an output that was maps in the model (a classifier's ZipMap): what the columns of `tensor`
  // mean, INT64 or BYTES [C].
  std::shared_ptr<const Tensor> labels = nullptr;
};

// What a model takes and gives.
struct TensorSpec {
  std::string name;
  DataType type = DataType::kFp32;
  Shape shape;            // -1: any
  bool any_rank = false;  // the model does not say its rank; `shape` is empty then
  // Of an [any, C] input whose C columns have names: a table is matched by them.
  std::vector<std::string> columns = {};
  // Other types that the model takes as they are.
  std::vector<DataType> also = {};
};

// A value beside the tensors: Open Inference Protocol's `parameters`, MLflow's `params`.
using ParameterValue = std::variant<bool, int64_t, double, std::string>;
using Parameters = std::map<std::string, ParameterValue>;

// Where in a sequence a request of a stateful model stands.
struct SequencePlace {
  std::string id;  // a number's decimal digits, or a name
  bool start = false;
  bool end = false;
};

struct Request {
  std::vector<NamedTensor> inputs;
  std::vector<std::string> outputs = {};  // asked for; empty: all
  Parameters parameters = {};             // what the caller says to the model
  std::optional<SequencePlace> sequence = {};
};
struct Response {
  std::vector<NamedTensor> outputs;
  Parameters parameters = {};  // what the model says to the caller
};

}  // namespace slipway::inference
