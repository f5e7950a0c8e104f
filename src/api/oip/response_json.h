// SPDX-License-Identifier: Apache-2.0
// From an answered prediction to a REST response. Private to the room.
#pragma once

#include "api/oip/infer.h"
#include "api/oip/oip.h"
#include "base/status.h"
#include "net/http.h"
#include "serving/predict.h"

namespace slipway::api::oip {

// What of the request its response needs.
struct ResponseShape {
  std::string id;
  std::string endpoint;
  OutputWishes wishes;
};

// 200 with JSON, or JSON and then the binary outputs. kOutOfRange (reason "non_finite_output") when
// the setting refuses NaN in JSON.
base::Result<net::HttpResponse> EncodeInfer(const ResponseShape& shape,
                                            const serving::PredictAnswer& answer,
                                            const OipSettings& settings);

// "model_name", "versions", "platform", inputs and outputs.
std::string EncodeMetadata(const serving::Predictor::ModelInfo& info);

}  // namespace slipway::api::oip
