// SPDX-License-Identifier: Apache-2.0
// Bodies of the /v1/models family. Private to the room. Pure functions.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "inference/model_config.h"
#include "inference/runtime.h"
#include "inference/tensor.h"

namespace slipway::api::v1models {

struct PredictBody {
  inference::Request request;
  bool by_column = false;  // `inputs`: answered by `outputs`; else `instances`, by `predictions`
};

// {"instances": [...]} or {"inputs": ...}, with "signature_name" (empty or serving_default) beside
// it. kInvalidArgument naming the field.
base::Result<PredictBody> DecodePredict(std::string_view body,
                                        const inference::ModelDescription& description);
// {"examples": [{"feature": value}, ...], "context": {...}}: the context's features stand in every
// example.
base::Result<inference::Request> DecodeExamples(std::string_view body,
                                                const inference::ModelDescription& description);

// By rows: one output as a list, several as objects by name; kInvalidArgument (field of the output)
// when an output has no row for each instance. By column: whole tensors. An output whose name ends
// in _bytes is base 64.
base::Result<std::string> EncodePredict(const std::vector<inference::NamedTensor>& outputs,
                                        bool by_column);
// {"result": [[["label", score], ...], ...]}: from the output [N, C] of floating numbers, its
// labels being the model's, the configuration's, those of an equally shaped BYTES output, or the
// column's number. kInvalidArgument (reason "no_classifier") when there is none.
base::Result<std::string> EncodeClassify(const std::vector<inference::NamedTensor>& outputs,
                                         const inference::ModelConfig& config);
// {"result": [value, ...]}: from the only output of one floating number a row. kInvalidArgument
// (reason "no_regressor") when there is none.
base::Result<std::string> EncodeRegress(const std::vector<inference::NamedTensor>& outputs);

}  // namespace slipway::api::v1models
