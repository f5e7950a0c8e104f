// SPDX-License-Identifier: Apache-2.0
// A model file may name other files that hold its weights ("external data"). Only files below the
// model's own folder may be read.
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

// kInvalidArgument, reason "bad_model" (not an ONNX file, file missing) or "external_data_escapes"
// (a location that is absolute, goes up, passes a symbolic link, or is ONNX Runtime's marker for
// data in memory).
base::Status CheckExternalData(const std::string& model_path);

}  // namespace slipway::inference::onnx
