// SPDX-License-Identifier: Apache-2.0
// What a model's parameters ask of OpenVINO, checked. Pure functions.
#pragma once

#include <map>
#include <string>

#include "base/status.h"
#include "inference/model_config.h"
#include "inference/openvino_runtime.h"

namespace slipway::inference::openvino {

// OpenVINO's properties by name. It reads of `config.parameters`:
//   performance_hint   "throughput" (a stream for each core), "latency" (all threads for each run)
//   num_streams        1..256; over what the hint would choose
//   num_threads        1..256, of this model
//   precision          "f32" (what the model says), "bf16", "f16": of its arithmetic
// kInvalidArgument, field "parameters.NAME", reason "bad_parameter".
base::Result<std::map<std::string, std::string>> ReadProperties(const ModelConfig& config,
                                                                const OpenVinoSettings& settings);

}  // namespace slipway::inference::openvino
