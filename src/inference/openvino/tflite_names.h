// SPDX-License-Identifier: Apache-2.0
// A TFLite file names its tensors "serving_default_x:0" and, where it was converted from a
// signature, also "x". Pure function.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>

namespace slipway::inference::openvino {

// Tensor's name -> name in the file's first signature. Empty: there is none, or the bytes are no
// TFLite model.
std::map<std::string, std::string> SignatureNames(std::span<const std::byte> model);

}  // namespace slipway::inference::openvino
