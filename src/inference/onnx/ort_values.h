// SPDX-License-Identifier: Apache-2.0
// Between Tensor/Value and OrtValue, without copying numbers where memory allows.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "base/status.h"
#include "inference/onnx/ort_library.h"
#include "inference/tensor.h"

namespace slipway::inference::onnx {

// The ABI's ONNXTensorElementDataType.
int ToOrtType(DataType type);
base::Result<DataType> FromOrtType(
    int element_type);  // kInvalidArgument (reason "bad_model"): complex and 8-bit floats

// Owns an OrtValue, or nothing.
class OrtValueHandle {
 public:
  OrtValueHandle(const OrtLibrary& library, OrtValue* value) : library_(&library), value_(value) {}
  ~OrtValueHandle() {
    if (value_ != nullptr) library_->api().ReleaseValue(value_);
  }
  OrtValueHandle(OrtValueHandle&& other) noexcept
      : library_(other.library_), value_(std::exchange(other.value_, nullptr)) {}
  OrtValueHandle& operator=(OrtValueHandle&& other) noexcept {
    std::swap(library_, other.library_);
    std::swap(value_, other.value_);
    return *this;
  }
  [[nodiscard]] OrtValue* get() const { return value_; }

 private:
  const OrtLibrary* library_;
  OrtValue* value_;
};

// Owns a binding, or nothing.
class BindingHandle {
 public:
  BindingHandle() = default;
  BindingHandle(const OrtLibrary& library, OrtIoBinding* binding)
      : library_(&library), binding_(binding) {}
  ~BindingHandle() {
    if (binding_ != nullptr) library_->api().ReleaseIoBinding(binding_);
  }
  BindingHandle(BindingHandle&& other) noexcept
      : library_(other.library_), binding_(std::exchange(other.binding_, nullptr)) {}
  BindingHandle& operator=(BindingHandle&& other) noexcept {
    std::swap(library_, other.library_);
    std::swap(binding_, other.binding_);
    return *this;
  }
  [[nodiscard]] OrtIoBinding* get() const { return binding_; }

 private:
  const OrtLibrary* library_ = nullptr;
  OrtIoBinding* binding_ = nullptr;
};

// Writes a string tensor's elements over those of a value of the same shape.
base::Status FillStrings(const OrtLibrary& library, const Tensor& tensor, OrtValue* value);

// Numbers: the value points into `tensor`, which must outlive it, or into a tensor added to
// `copies` when its bytes are not aligned for their type. Strings are copied.
base::Result<OrtValueHandle> ToOrtValue(const OrtLibrary& library, const Tensor& tensor,
                                        std::vector<Tensor>& copies);

// Takes a value that a run gave. Numbers stay in the runtime's memory, which the tensors keep alive
// together with `session` (an output may lie among the model's constants). Sequences and maps are
// read whole.
base::Result<Value> FromOrtValue(const OrtLibrary& library, OrtValueHandle value,
                                 const std::shared_ptr<const void>& session);
// The same when it is known to be a tensor.
base::Result<Tensor> TensorFromOrtValue(const OrtLibrary& library, OrtValueHandle value,
                                        const std::shared_ptr<const void>& session);

}  // namespace slipway::inference::onnx
