// SPDX-License-Identifier: Apache-2.0
// TensorFlow Serving's gRPC: tensorflow.serving.PredictionService and ModelService. Its REST is
// api/v1models. docs/protocols/tfserving.md.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/status.h"
#include "net/grpc_server.h"
#include "serving/predict.h"

namespace slipway::api::tfserving {

// The version that a label names: an alias of the model. May block. kNotFound when there is none.
using FindLabel =
    std::function<base::Result<int64_t>(const std::string& model, const std::string& label)>;

// Adds the methods of both services. `predictor` must outlive the server.
void AddGrpcMethods(net::GrpcServer& server, serving::Predictor& predictor, FindLabel find_label);

}  // namespace slipway::api::tfserving
