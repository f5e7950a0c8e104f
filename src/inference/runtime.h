// SPDX-License-Identifier: Apache-2.0
// Runtime: the seam behind which ONNX Runtime (and later OpenVINO, trees, Python workers) sits.
// Session: one loaded model.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "inference/tensor.h"

namespace slipway::inference {

struct ModelDescription {
  std::vector<TensorSpec> inputs;
  std::vector<TensorSpec> outputs;
  // True when every input's first dimension is free: rows may be stacked into one run.
  bool batchable = false;
  std::string platform;  // "onnxruntime_onnx", as OIP's model metadata shows it
};

// Thread-safe: Run may be called from several threads.
class Session {
 public:
  virtual ~Session() = default;
  [[nodiscard]] virtual const ModelDescription& description() const = 0;
  // Inputs are checked against the description (name, type, shape): kInvalidArgument with field
  // "inputs[i]...".
  virtual base::Result<Response> Run(const Request& request) = 0;
};

class Runtime {
 public:
  virtual ~Runtime() = default;
  [[nodiscard]] virtual std::string_view name() const = 0;  // "onnx"
  [[nodiscard]] virtual std::string Version() const = 0;
  // `path`: the model file. kInvalidArgument (reason "bad_model") when it is not one this runtime
  // can run.
  virtual base::Result<std::unique_ptr<Session>> Load(const std::string& path) = 0;
};

struct OnnxSettings {
  std::string library;  // libonnxruntime.so.*; empty: beside the binary, then the build's default
  int64_t intra_op_threads = 1;
};
// kFailedPrecondition (reason "runtime_missing" / "runtime_too_old") with where it looked and what
// it needs.
base::Result<std::unique_ptr<Runtime>> MakeOnnxRuntime(const OnnxSettings& settings);

}  // namespace slipway::inference
