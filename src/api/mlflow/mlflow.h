// SPDX-License-Identifier: Apache-2.0
// The protocol of MLflow's clients (3.x): tracking, logged models, the registry and the artifact
// proxy. docs/protocols/mlflow.md lists the routes and where we differ.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/config.h"
#include "net/http.h"
#include "registry/registry.h"
#include "registry/webhooks.h"
#include "storage/blobs.h"
#include "storage/database.h"
#include "tracking/tracking.h"

namespace slipway::api::mlflow {

struct MlflowSettings {
  // MLflow's own page at /mlflow/: the folder with its index.html, "auto" or "off".
  std::string ui = "auto";
  bool verify_versions = false;  // read and compare a version's file before it is sent
  std::string public_url;      // where clients reach this server; empty: http:// and the Host asked
  std::string signing_secret;  // of signed addresses; empty: one of this process
};
void Describe(base::Schema& schema, MlflowSettings& settings);

// Adds /api/2.0/mlflow, /api/2.0/mlflow-artifacts, /api/3.0/mlflow, their /ajax-api twins,
// /get-artifact, /graphql, /v1/traces, /version and /mlflow/. What is given outlives the router.
void Register(net::Router& router, tracking::Tracking& tracking, registry::Registry& registry,
              storage::Blobs& blobs, registry::Webhooks& webhooks, storage::Database& database,
              const base::Clock& clock, const MlflowSettings& settings);

}  // namespace slipway::api::mlflow
