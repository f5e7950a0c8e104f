// SPDX-License-Identifier: Apache-2.0
// The REST paths below /v1/models, which TensorFlow Serving and KServe's first protocol share:
// predict, classify, regress, metadata, status, versions, labels. docs/protocols/v1models.md.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/status.h"
#include "net/http.h"
#include "serving/predict.h"

namespace slipway::api::v1models {

// The version that a label names: an alias of the model. May block. kNotFound when there is none.
using FindLabel =
    std::function<base::Result<int64_t>(const std::string& model, const std::string& label)>;

// GET /v1/models, GET /v1/models/{m}[/versions/{v}|/labels/{l}][/metadata], POST the same with
// :predict, :classify or :regress. `predictor` must outlive the router's server.
void Register(net::Router& router, serving::Predictor& predictor, FindLabel find_label);

}  // namespace slipway::api::v1models
