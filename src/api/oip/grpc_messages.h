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
// `request` instead of copied; those in shared memory are read by `shared`. Errors are
// kInvalidArgument with the field at fault.
base::Result<InferCall> DecodeMessage(::inference::ModelInferRequest& request,
                                      const SharedAccess& shared);

void EncodeAnswer(const std::string& id, const std::string& endpoint, const OutputWishes& wishes,
                  const serving::PredictAnswer& answer, ::inference::ModelInferResponse& response);
void EncodeMetadata(const serving::Predictor::ModelInfo& info,
                    ::inference::ModelMetadataResponse& response);

}  // namespace slipway::api::oip
