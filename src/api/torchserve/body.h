// SPDX-License-Identifier: Apache-2.0
// What a TorchServe caller sends, and what it gets back. Private to the room. Pure functions.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "inference/runtime.h"
#include "inference/tensor.h"

namespace slipway::api::torchserve {

inline constexpr size_t kMaxParts = 1000;  // of a form

struct PredictionBody {
  inference::Request request;
  bool many = false;  // {"instances": [...]}: answered by {"predictions": [...]}
};

// One item: a JSON object by feature name, or the value of the only input; JSON's
// {"instances": [...]} or {"data": item}; a form's part `data` (or `body`) that holds such JSON;
// any other type of content goes as bytes to a model whose only input is BYTES. kInvalidArgument
// naming the field.
base::Result<PredictionBody> DecodePrediction(std::string_view body, std::string_view content_type,
                                              const inference::ModelDescription& description);

// One item: its only output's value, or an object by output name.
base::Result<std::string> EncodePrediction(const std::vector<inference::NamedTensor>& outputs,
                                           bool many);

}  // namespace slipway::api::torchserve
