// SPDX-License-Identifier: Apache-2.0
// Settings: every room's, in one struct, and the ones of the process itself.
#pragma once

#include <string>

#include "base/config.h"
#include "inference/model_pool.h"
#include "lifecycle/lifecycle.h"
#include "lifecycle/retention.h"
#include "monitoring/monitor.h"
#include "net/grpc_server.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "pipelines/pipelines.h"
#include "registry/registry.h"
#include "repository/model_repository.h"
#include "serving/predict.h"
#include "storage/database.h"
#include "traffic/rollouts.h"

namespace slipway::app {

struct ProcessSettings {
  std::string data = "slipway-data";  // folder; made when absent
  bool insecure = false;              // addresses other than loopback without authentication
  std::string log_format = "human";   // "human" | "json"
  std::string log_level = "info";     // "debug" | "info" | "warning" | "error"
  std::string clock_mode = "system";  // "system" | "driven"
  std::string clock_start = "2013-01-01T00:00:00Z";  // of a driven clock whose data folder is new
  std::string artifacts = "file:artifacts";          // "file:", "s3://" or "gs://"
  int64_t blocking_threads = 16;  // of requests that wait for the database, blobs and gates
  base::Duration drain_notice{
      500 * base::kMillisecond};  // between /ready turning 503 and the servers closing
};

struct Settings {
  ProcessSettings process;
  net::HttpServerSettings http;
  net::GrpcServerSettings grpc;
  net::HttpClientSettings outbound;
  storage::DatabaseSettings database;
  registry::RegistrySettings registry;
  inference::PoolSettings inference;
  traffic::RolloutSettings rollout;
  monitoring::MonitorSettings monitoring;
  pipelines::PipelineSettings pipelines;
  repository::RepositorySettings repository;
  serving::ServingSettings serving;
  lifecycle::LifecycleSettings lifecycle;
  lifecycle::RetentionSettings retention;
};

// Every setting of every room, in the order of the documentation.
void Describe(base::Schema& schema, Settings& settings);

}  // namespace slipway::app
