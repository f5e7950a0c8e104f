// SPDX-License-Identifier: Apache-2.0
// The protocol of MLflow's clients (3.x): tracking, logged models, the registry and the artifact
// proxy. docs/protocols/mlflow.md lists the routes and where we differ.
#pragma once

#include "net/http.h"
#include "registry/registry.h"
#include "storage/blobs.h"
#include "tracking/tracking.h"

namespace slipway::api::mlflow {

// Adds /api/2.0/mlflow, /api/2.0/mlflow-artifacts, their /ajax-api twins,
// /api/3.0/mlflow/server-info, /get-artifact and /version. What is given outlives the router.
void Register(net::Router& router, tracking::Tracking& tracking, registry::Registry& registry,
              storage::Blobs& blobs);

}  // namespace slipway::api::mlflow
