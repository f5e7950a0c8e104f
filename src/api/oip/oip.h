// SPDX-License-Identifier: Apache-2.0
// Open Inference Protocol v2: REST with Triton's binary tensors, and gRPC
// (inference.GRPCInferenceService). docs/protocols/oip.md.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/config.h"
#include "net/grpc_server.h"
#include "net/http.h"
#include "serving/predict.h"

namespace slipway::api::oip {

struct OipSettings {
  // NaN and infinities in a JSON answer, which JSON has no numbers for: "string" ("NaN",
  // "Infinity", "-Infinity") or "error" (400).
  std::string non_finite = "string";
};
void Describe(base::Schema& schema, OipSettings& settings);

// Whether the server takes new work; false while it starts or drains. Called on I/O threads: must
// not block.
using Ready = std::function<bool()>;

// GET /v2, /v2/health/{live,ready}, /v2/models/{m}[/versions/{v}][/ready]; POST
// /v2/models/{m}[/versions/{v}]/infer. `predictor` must outlive the router's server.
void Register(net::Router& router, serving::Predictor& predictor, const OipSettings& settings,
              Ready ready);

// The gRPC methods, before the server starts. `predictor` must outlive the server.
void AddGrpcMethods(net::GrpcServer& server, serving::Predictor& predictor, const Ready& ready);

}  // namespace slipway::api::oip
