// SPDX-License-Identifier: Apache-2.0
// A prediction, at the edge of ONNX Runtime: tensors in by pointer, tensors out by ownership.
#include "inference/onnx/ort_values.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "inference/onnx/ort_abi.h"
#include "inference/onnx/ort_library.h"
#include "inference/tensor.h"

namespace slipway::inference::onnx {
namespace {

constexpr size_t kMostItems = 10'000'000;  // of a sequence
constexpr const char* kRunFailed = "run_failed";

// In the order of DataType.
constexpr std::array<int, 14> kOrtTypes = {9, 2, 4, 12, 13, 3, 5, 6, 7, 10, 16, 1, 11, 8};
constexpr int kOrtString = 8;

// What keeps an output's bytes alive.
struct HeldValue {
  OrtValueHandle value;
  std::shared_ptr<const void> session;  // released last
  HeldValue(OrtValueHandle held, std::shared_ptr<const void> kept)
      : value(std::move(held)), session(std::move(kept)) {}
  ~HeldValue() { OrtValueHandle first = std::move(value); }
};

base::Result<OrtValueHandle> StringsToOrt(const OrtLibrary& library, const Tensor& tensor) {
  OrtValue* raw = nullptr;
  TRY(library.Take(library.api().CreateTensorAsOrtValue(library.allocator(), tensor.shape().data(),
                                                        tensor.shape().size(), kOrtString, &raw),
                   kRunFailed));
  OrtValueHandle value(library, raw);
  TRY(FillStrings(library, tensor, raw));
  return value;
}

base::Result<Tensor> StringsFromOrt(const OrtLibrary& library, const OrtValue* value, Shape shape) {
  const OrtFunctions& api = library.api();
  const auto count = static_cast<size_t>(TRY(ElementCount(shape)));
  std::vector<std::string> strings(count);
  if (count > 0) {
    size_t size_bytes = 0;
    TRY(library.Take(api.GetStringTensorDataLength(value, &size_bytes), kRunFailed));
    std::string content(size_bytes, '\0');
    std::vector<size_t> offsets(count + 1, size_bytes);
    TRY(library.Take(
        api.GetStringTensorContent(value, content.data(), size_bytes, offsets.data(), count),
        kRunFailed));
    for (size_t i = 0; i < count; ++i)
      strings[i] = content.substr(offsets[i], offsets[i + 1] - offsets[i]);
  }
  return Tensor::Strings(std::move(shape), std::move(strings));
}

base::Result<OrtValueHandle> ItemAt(const OrtLibrary& library, const OrtValue* value, int index) {
  OrtValue* item = nullptr;
  TRY(library.Take(library.api().GetValue(value, index, library.allocator(), &item), kRunFailed));
  return OrtValueHandle(library, item);
}

base::Result<Value> MapFromOrt(const OrtLibrary& library, const OrtValue* value,
                               const std::shared_ptr<const void>& session) {
  Map map;
  map.keys = TRY(TensorFromOrtValue(library, TRY(ItemAt(library, value, 0)), session));
  map.values = TRY(TensorFromOrtValue(library, TRY(ItemAt(library, value, 1)), session));
  return Value{std::move(map)};
}

}  // namespace

int ToOrtType(DataType type) { return kOrtTypes[static_cast<size_t>(type)]; }

base::Result<DataType> FromOrtType(int element_type) {
  for (size_t i = 0; i < kOrtTypes.size(); ++i) {
    if (kOrtTypes[i] == element_type) return static_cast<DataType>(i);
  }
  return base::InvalidArgument(
      "model", "element type " + std::to_string(element_type) + " of ONNX Runtime is not supported",
      "bad_model");
}

base::Status FillStrings(const OrtLibrary& library, const Tensor& tensor, OrtValue* value) {
  const std::vector<std::string>& strings = tensor.strings();
  for (size_t i = 0; i < strings.size(); ++i) {
    char* buffer = nullptr;
    // Not FillStringTensor: it takes C strings, and a string may hold a zero byte.
    TRY(library.Take(
        library.api().GetResizedStringTensorElementBuffer(value, i, strings[i].size(), &buffer),
        kRunFailed));
    std::ranges::copy(strings[i], buffer);
  }
  return base::Status::Ok();
}

base::Result<OrtValueHandle> ToOrtValue(const OrtLibrary& library, const Tensor& tensor,
                                        std::vector<Tensor>& copies) {
  if (tensor.type() == DataType::kString) return StringsToOrt(library, tensor);
  std::span<const std::byte> bytes = tensor.bytes();
  if (reinterpret_cast<uintptr_t>(bytes.data()) % SizeOf(tensor.type()) != 0) {
    bytes = copies.emplace_back(tensor).mutable_bytes();
  }
  static std::byte nothing[8];  // an empty tensor still needs an address
  // The runtime does not write to inputs; its ABI has no const here.
  void* data = bytes.empty() ? nothing : const_cast<std::byte*>(bytes.data());
  OrtValue* raw = nullptr;
  TRY(library.Take(library.api().CreateTensorWithDataAsOrtValue(
                       library.cpu(), data, bytes.size(), tensor.shape().data(),
                       tensor.shape().size(), ToOrtType(tensor.type()), &raw),
                   kRunFailed));
  return OrtValueHandle(library, raw);
}

base::Result<Tensor> TensorFromOrtValue(const OrtLibrary& library, OrtValueHandle value,
                                        const std::shared_ptr<const void>& session) {
  const OrtFunctions& api = library.api();
  int element_type = 0;
  const int64_t* dimensions = nullptr;
  size_t rank = 0;
  TRY(library.Take(
      api.GetTensorElementTypeAndShapeDataReference(value.get(), &element_type, &dimensions, &rank),
      kRunFailed));
  Shape shape(dimensions, dimensions + rank);
  if (element_type == kOrtString) return StringsFromOrt(library, value.get(), std::move(shape));
  const DataType type = TRY(FromOrtType(element_type));
  void* data = nullptr;
  TRY(library.Take(api.GetTensorMutableData(value.get(), &data), kRunFailed));
  const int64_t count = TRY(ElementCount(shape));
  const std::span<const std::byte> bytes(static_cast<const std::byte*>(data),
                                         static_cast<size_t>(count) * SizeOf(type));
  return Tensor::Borrow(type, std::move(shape), bytes,
                        std::make_shared<HeldValue>(std::move(value), session));
}

base::Result<Value> FromOrtValue(const OrtLibrary& library, OrtValueHandle value,
                                 const std::shared_ptr<const void>& session) {
  int kind = 0;
  TRY(library.Take(library.api().GetValueType(value.get(), &kind), kRunFailed));
  if (kind == kOrtTypeTensor)
    return Value{TRY(TensorFromOrtValue(library, std::move(value), session))};
  if (kind == kOrtTypeMap) return MapFromOrt(library, value.get(), session);
  if (kind != kOrtTypeSequence) {
    return base::Status(base::Code::kUnimplemented, kRunFailed,
                        "an output is neither a tensor nor a sequence nor a map");
  }
  size_t count = 0;
  TRY(library.Take(library.api().GetValueCount(value.get(), &count), kRunFailed));
  if (count > kMostItems)
    return base::ResourceExhausted(kRunFailed,
                                   "an output sequence of " + std::to_string(count) + " items");
  Sequence sequence;
  sequence.items.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    OrtValueHandle item = TRY(ItemAt(library, value.get(), static_cast<int>(i)));
    // Depth is bounded: the loader refuses sequences of sequences.
    sequence.items.push_back(TRY(FromOrtValue(library, std::move(item), session)));
  }
  return Value{std::move(sequence)};
}

}  // namespace slipway::inference::onnx
