// SPDX-License-Identifier: Apache-2.0
// Between Tensor and OpenVINO's tensors.
#pragma once

#include <utility>
#include <vector>

#include "base/status.h"
#include "inference/openvino/ov_abi.h"
#include "inference/tensor.h"

namespace slipway::inference::openvino {

class OvLibrary;

// The C API's ov_element_type_e; not for strings.
int ToOvType(DataType type);
// kInvalidArgument (reason "bad_model"): strings, types below a byte, 8-bit floats.
base::Result<DataType> FromOvType(int element_type);

// Owns a tensor.
class OvTensorHandle {
 public:
  OvTensorHandle(const OvFunctions& api, OvTensor* tensor) : api_(&api), tensor_(tensor) {}
  ~OvTensorHandle() {
    if (tensor_ != nullptr) api_->ov_tensor_free(tensor_);
  }
  OvTensorHandle(OvTensorHandle&& other) noexcept
      : api_(other.api_), tensor_(std::exchange(other.tensor_, nullptr)) {}
  OvTensorHandle& operator=(OvTensorHandle&&) = delete;
  [[nodiscard]] OvTensor* get() const { return tensor_; }

 private:
  const OvFunctions* api_;
  OvTensor* tensor_;
};

// It points into `tensor`, which must outlive it, or into a tensor added to `copies` when its bytes
// are not aligned for their type.
base::Result<OvTensorHandle> ToOvTensor(const OvLibrary& library, const Tensor& tensor,
                                        std::vector<Tensor>& copies);
// A copy: the request that gave it is used again.
base::Result<Tensor> FromOvTensor(const OvLibrary& library, const OvTensor* tensor);

}  // namespace slipway::inference::openvino
