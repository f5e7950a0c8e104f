// SPDX-License-Identifier: Apache-2.0
// MLflow's scoring protocol, POST /invocations with a data frame or tensors, and SageMaker's
// runtime, which has the endpoint in its path. docs/protocols/invocations.md.
#pragma once

#include <string>

#include "base/config.h"
#include "net/http.h"
#include "serving/predict.h"

namespace slipway::api::invocations {

struct InvocationsSettings {
  std::string endpoint;  // where POST /invocations goes when the request names none; empty: the
                         // only endpoint there is
};
void Describe(base::Schema& schema, InvocationsSettings& settings);

// POST /invocations, POST /endpoints/{endpoint}/invocations. `predictor` must outlive
// the router's server.
void Register(net::Router& router, serving::Predictor& predictor,
              const InvocationsSettings& settings);

}  // namespace slipway::api::invocations
