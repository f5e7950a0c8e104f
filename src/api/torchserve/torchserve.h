// SPDX-License-Identifier: Apache-2.0
// TorchServe's REST: /predictions and the management of /models. docs/protocols/torchserve.md.
#pragma once

#include "net/http.h"
#include "repository/model_repository.h"
#include "serving/predict.h"

namespace slipway::api::torchserve {

// POST and PUT /predictions/{m}[/{version}], POST /explanations/{m}; GET, POST, PUT and DELETE
// below /models. Both references must outlive the router's server.
void Register(net::Router& router, serving::Predictor& predictor,
              repository::ModelRepository& repository);

}  // namespace slipway::api::torchserve
