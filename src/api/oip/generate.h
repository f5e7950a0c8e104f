// SPDX-License-Identifier: Apache-2.0
// The generate extension's JSON: inputs and outputs by name, without types or shapes. Private to
// the room.
#pragma once

#include <string>
#include <string_view>

#include "api/oip/infer.h"
#include "base/status.h"
#include "inference/runtime.h"
#include "serving/predict.h"

namespace slipway::api::oip {

// {"text_input": "...", "parameters": {...}, ...}: a member that is an input of the model becomes
// its tensor, a number, a string or an array of them; any other a parameter. "id" is the request's
// where the model has no such input. kInvalidArgument with the field at fault.
base::Result<InferCall> DecodeGenerate(std::string_view body,
                                       const inference::ModelDescription& description);

// {"model_name", "model_version", outputs by name: a value where it is one, else a flat array}.
std::string EncodeGenerate(const std::string& id, const std::string& endpoint,
                           const serving::PredictAnswer& answer);

}  // namespace slipway::api::oip
