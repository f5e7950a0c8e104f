// SPDX-License-Identifier: Apache-2.0
// What an open session says of its inputs and outputs.
#pragma once

#include <vector>

#include "base/status.h"
#include "inference/onnx/ort_library.h"
#include "inference/runtime.h"

namespace slipway::inference::onnx {

struct Described {
  ModelDescription model;
  std::vector<bool> output_is_tensor;
};
// kInvalidArgument (reason "bad_model"): an input or output of a kind that is not supported.
base::Result<Described> DescribeModel(const OrtLibrary& library, OrtSession* session);

}  // namespace slipway::inference::onnx
