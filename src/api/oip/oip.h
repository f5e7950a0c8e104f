// SPDX-License-Identifier: Apache-2.0
// Open Inference Protocol v2 with Triton's extensions: REST, and gRPC
// (inference.GRPCInferenceService). docs/protocols/oip.md.
#pragma once

#include <functional>
#include <string>

#include "base/config.h"
#include "net/grpc_server.h"
#include "net/http.h"
#include "repository/model_repository.h"
#include "serving/predict.h"

namespace slipway::api::oip {

struct OipSettings {
  // NaN and infinities in a JSON answer, which JSON has no numbers for: "string" ("NaN",
  // "Infinity", "-Infinity") or "error" (400).
  std::string non_finite = "string";
  // Who may name shared memory of this machine: "loopback" (callers at a loopback address), "on"
  // (all) or "off".
  std::string shared_memory = "loopback";
};
void Describe(base::Schema& schema, OipSettings& settings);

// Whether the server takes new work; false while it starts or drains. Called on I/O threads: must
// not block.
using Ready = std::function<bool()>;

// What the references and pointers name must outlive the servers.
struct OipParts {
  serving::Predictor& predictor;
  repository::ModelRepository* repository;  // nullptr: nothing is loaded or listed
  int64_t max_batch_rows;  // of models whose configuration does not say: inference.max_batch_rows
  OipSettings settings;
  Ready ready;
  std::string trace_folder;  // where the trace extension writes; empty: it cannot be turned on
};

// The REST routes, all below /v2, and the gRPC methods; before the servers start.
void Register(net::Router& router, net::GrpcServer& grpc, OipParts parts);

}  // namespace slipway::api::oip
