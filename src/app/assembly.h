// SPDX-License-Identifier: Apache-2.0
// Assembly: one table per seam. Taking a row out of assembly.cc (or building without it: src/ROWS)
// takes that protocol, runtime, store or sink out of the product; nothing else names it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "app/settings.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/metrics.h"
#include "inference/runtime.h"
#include "lifecycle/contest.h"
#include "lifecycle/holdouts.h"
#include "monitoring/alert_sink.h"
#include "net/grpc_server.h"
#include "net/http.h"
#include "net/http_client.h"
#include "pipelines/executor.h"
#include "registry/registry.h"
#include "repository/model_repository.h"
#include "serving/predict.h"
#include "storage/blobs.h"
#include "storage/database.h"
#include "tracking/tracking.h"
#include "traffic/endpoints.h"

namespace slipway::registry {
class Webhooks;
}

namespace slipway::app {

// What a protocol may use.
struct ProtocolParts {
  net::Router& router;
  net::GrpcServer& grpc;
  const Settings& settings;
  base::Metrics& metrics;
  storage::Database& database;
  storage::Blobs& blobs;
  const base::Clock& clock;
  tracking::Tracking& tracking;
  registry::Registry& registry;
  serving::Predictor& predictor;
  repository::ModelRepository& repository;
  registry::Webhooks& webhooks;
  std::function<bool()> ready;  // whether the server takes new work; never blocks
};

// What a gate may use.
struct GateParts {
  storage::Database& database;
  base::Clock& clock;
  storage::Blobs& blobs;
  traffic::Endpoints& endpoints;
  lifecycle::Contests& contests;
  lifecycle::Holdouts& holdouts;
  const net::HttpClient& client;
  const Settings& settings;
};

class Assembly {
 public:
  Assembly();
  ~Assembly();
  // The settings of rows; before Schema::Apply.
  void Describe(base::Schema& schema);

  // Of rows that keep tables.
  std::vector<storage::Migration> Migrations() const;
  std::span<const storage::DatabaseKind> databases() const;
  std::span<const storage::BlobStore> stores() const;
  // A runtime that cannot start (its library is missing) is an error.
  base::Result<std::vector<std::unique_ptr<inference::Runtime>>> Runtimes(
      const Settings& settings) const;
  // Those that are configured; `client` outlives them.
  std::vector<std::unique_ptr<monitoring::AlertSink>> Sinks(const net::HttpClient& client) const;
  std::unique_ptr<pipelines::Executor> Executor() const;
  void AddGates(registry::Registry& registry, const GateParts& parts) const;
  void AddProtocols(const ProtocolParts& parts) const;

 private:
  struct RowSettings;
  std::unique_ptr<RowSettings> rows_;
};

// One runtime by its row's name, for the probe process (inference/probe.h): nothing else of the
// house is built there.
base::Result<std::unique_ptr<inference::Runtime>> ProbeRuntime(
    const std::string& name, const std::string& library,
    const std::map<std::string, std::string>& settings);

}  // namespace slipway::app
