// SPDX-License-Identifier: Apache-2.0
// Status and metadata of the /v1/models family. Private to the room. Pure functions.
#pragma once

#include <string>

#include "base/status.h"
#include "inference/tensor.h"
#include "serving/predict.h"

namespace slipway::api::v1models {

// TensorFlow Serving's status of each version, and KServe's name and readiness beside it.
std::string EncodeStatus(const serving::Predictor::ModelInfo& info);
// TensorFlow Serving's signature map: one signature, serving_default.
std::string EncodeMetadata(const serving::Predictor::ModelInfo& info);
// "DT_FLOAT"
std::string_view TensorFlowType(inference::DataType type);

}  // namespace slipway::api::v1models
