// SPDX-License-Identifier: Apache-2.0
// POST /predict/{endpoint}: one JSON object by feature name, or a list of them, for people with
// curl. docs/protocols/predict.md.
#pragma once

#include "net/http.h"
#include "serving/predict.h"

namespace slipway::api::predict {

// `predictor` must outlive the router's server.
void Register(net::Router& router, serving::Predictor& predictor);

}  // namespace slipway::api::predict
