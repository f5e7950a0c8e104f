// SPDX-License-Identifier: Apache-2.0
// A model file may name other files that hold its weights ("external data").
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/status.h"

namespace slipway::inference::onnx {

// Every external data location in the bytes of an ONNX ModelProto
// (https://onnx.ai/onnx/repo-docs/IR.html), wherever it stands: initializers, attributes,
// subgraphs, functions. kInvalidArgument (reason "bad_model") when the bytes are no ModelProto.
base::Result<std::vector<std::string>> ExternalDataLocations(std::span<const std::byte> model);

// Whether the model imports ONNX-ML's operators (trees, vectorisers).
bool UsesMlOperators(std::span<const std::byte> model);

}  // namespace slipway::inference::onnx
