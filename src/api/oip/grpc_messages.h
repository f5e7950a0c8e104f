// SPDX-License-Identifier: Apache-2.0
// Between the gRPC messages and a call. Private to the room.
#pragma once

#include <string>

#include "api/oip/infer.h"
#include "base/status.h"
#include "serving/predict.h"

namespace inference {
class ModelInferRequest;
class ModelInferResponse;
class ModelMetadataResponse;
}  // namespace inference

namespace slipway::api::oip {

// Field numbers and shapes are inference.proto's. Raw contents that are large are taken out of
// `request` instead of copied. `binary_outputs` says that the request was raw. Errors are
// kInvalidArgument with the field at fault.
base::Result<InferCall> DecodeMessage(::inference::ModelInferRequest& request);

void EncodeAnswer(const std::string& id, const std::string& endpoint, bool raw,
                  const serving::PredictAnswer& answer, ::inference::ModelInferResponse& response);
void EncodeMetadata(const serving::Predictor::ModelInfo& info,
                    ::inference::ModelMetadataResponse& response);

}  // namespace slipway::api::oip
