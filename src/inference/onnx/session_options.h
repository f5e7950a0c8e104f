// SPDX-License-Identifier: Apache-2.0
// SessionOptions: a plan in the form that ONNX Runtime takes. Not thread-safe; short-lived.
#pragma once

#include <span>
#include <string_view>
#include <utility>

#include "base/status.h"
#include "inference/onnx/ort_library.h"
#include "inference/onnx/session_plan.h"
#include "inference/onnx_file/model_files.h"
#include "inference/runtime.h"

namespace slipway::inference::onnx {

class SessionOptions {
 public:
  explicit SessionOptions(const OrtLibrary& library) : library_(library) {}
  ~SessionOptions();
  SessionOptions(const SessionOptions&) = delete;
  SessionOptions& operator=(const SessionOptions&) = delete;
  [[nodiscard]] const OrtSessionOptions* get() const { return options_; }

  // After Fill. `files` must outlive the making of the session.
  base::Status AddExternalData(const ModelFiles& files);
  // kInvalidArgument (reason "bad_model": a library of custom operators that cannot be opened, a
  // dimension that cannot be fixed), kFailedPrecondition (reason "device_missing": the library has
  // no such provider, or the machine no such device).
  base::Status Fill(const SessionPlan& plan, const OnnxSettings& settings);

 private:
  using Entry = std::pair<const char*, const char*>;
  base::Status SetThreads(const SessionPlan& plan);
  base::Status AddEntries(std::span<const Entry> entries);
  base::Status AddDevice(const Device& device, const OnnxSettings& settings);
  base::Status AddCuda(std::span<const Entry> entries);
  base::Status AddTensorRt(std::span<const Entry> entries);

  const OrtLibrary& library_;
  OrtSessionOptions* options_ = nullptr;
};

}  // namespace slipway::inference::onnx
