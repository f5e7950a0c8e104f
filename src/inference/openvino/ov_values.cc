// SPDX-License-Identifier: Apache-2.0
// A prediction, at the edge of OpenVINO: tensors in by pointer, out by copy.
#include "inference/openvino/ov_values.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "inference/openvino/ov_abi.h"
#include "inference/openvino/ov_library.h"
#include "inference/tensor.h"

namespace slipway::inference::openvino {
namespace {

constexpr const char* kRunFailed = "run_failed";

// In the order of DataType, without strings.
constexpr std::array<int, 13> kOvTypes = {1, 16, 17, 18, 19, 7, 8, 9, 10, 3, 2, 4, 5};
constexpr int kOvString = 23;

// A shape that the C API only reads.
OvShape ShapeOf(const Tensor& tensor) {
  return {static_cast<int64_t>(tensor.shape().size()), const_cast<int64_t*>(tensor.shape().data())};
}

}  // namespace

int ToOvType(DataType type) { return kOvTypes[static_cast<size_t>(type)]; }

base::Result<DataType> FromOvType(int element_type) {
  for (size_t i = 0; i < kOvTypes.size(); ++i) {
    if (kOvTypes[i] == element_type) return static_cast<DataType>(i);
  }
  if (element_type == kOvString) {
    // Seen in 2026.4.1: the processor plugin frees memory that is not its own.
    return base::InvalidArgument("model", "string tensors are not supported with OpenVINO",
                                 "bad_model");
  }
  return base::InvalidArgument(
      "model", "element type " + std::to_string(element_type) + " of OpenVINO is not supported",
      "bad_model");
}

base::Result<OvTensorHandle> ToOvTensor(const OvLibrary& library, const Tensor& tensor,
                                        std::vector<Tensor>& copies) {
  const OvFunctions& api = library.api();
  const int type = ToOvType(tensor.type());
  OvTensor* made = nullptr;
  std::span<const std::byte> bytes = tensor.bytes();
  if (reinterpret_cast<uintptr_t>(bytes.data()) % SizeOf(tensor.type()) != 0)
    bytes = copies.emplace_back(tensor).mutable_bytes();
  static std::byte nothing[8];  // an empty tensor still needs an address
  // Inputs are only read; the C API has no const here.
  void* data = bytes.empty() ? nothing : const_cast<std::byte*>(bytes.data());
  TRY(library.Take(api.ov_tensor_create_from_host_ptr(type, ShapeOf(tensor), data, &made),
                   kRunFailed));
  return OvTensorHandle(api, made);
}

base::Result<Tensor> FromOvTensor(const OvLibrary& library, const OvTensor* tensor) {
  const OvFunctions& api = library.api();
  OvShape raw{};
  TRY(library.Take(api.ov_tensor_get_shape(tensor, &raw), kRunFailed));
  Shape shape(raw.dimensions, raw.dimensions + raw.rank);
  api.ov_shape_free(&raw);
  int element_type = 0;
  TRY(library.Take(api.ov_tensor_get_element_type(tensor, &element_type), kRunFailed));
  const DataType type = TRY(FromOvType(element_type));
  const auto count = static_cast<size_t>(TRY(ElementCount(shape)));
  Tensor copy(type, std::move(shape));
  if (count == 0) return copy;
  void* data = nullptr;
  TRY(library.Take(api.ov_tensor_data(tensor, &data), kRunFailed));
  std::memcpy(copy.mutable_bytes().data(), data, copy.bytes().size());
  return copy;
}

}  // namespace slipway::inference::openvino
