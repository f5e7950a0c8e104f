// SPDX-License-Identifier: Apache-2.0
// OpenVINO behind the Runtime seam: ONNX, OpenVINO IR (.xml with .bin), TensorFlow SavedModel
// (folder) and frozen graph (.pb), TFLite, Paddle (.pdmodel with .pdiparams). Its library is opened
// with the first model that needs it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/config.h"
#include "base/status.h"
#include "inference/runtime.h"

namespace slipway::inference {

struct OpenVinoSettings {
  // libopenvino_c.so.*; empty: beside the binary, in ../lib of it, then where the build found it.
  std::string library = {};
  std::string performance_hint = "throughput";  // or "latency": of models that name none
  int64_t threads = 0;                          // of one model; 0: one a core
  std::string cache_dir = {};                   // compiled models; empty: none are kept
};
void Describe(base::Schema& schema, OpenVinoSettings& settings);

// Models with string tensors are refused; 64-bit numbers are computed in 32 bits, as OpenVINO does
// on processors. Always works; Load is kFailedPrecondition (reason "runtime_missing" /
// "runtime_too_old") while there is no usable library. A model's parameters that it reads:
// performance_hint, num_streams, num_threads, precision ("f32", "bf16", "f16").
std::unique_ptr<Runtime> MakeOpenVinoRuntime(const OpenVinoSettings& settings);

}  // namespace slipway::inference
