// SPDX-License-Identifier: Apache-2.0
// The native API: everything the command line and the web page show and do, as JSON under /api/v1,
// and /health, /ready, /metrics.
#pragma once

#include <atomic>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/config.h"
#include "base/metrics.h"
#include "base/status.h"
#include "events/events.h"
#include "inference/model_pool.h"
#include "lifecycle/holdouts.h"
#include "lifecycle/lifecycle.h"
#include "lifecycle/retention.h"
#include "monitoring/monitor.h"
#include "net/http.h"
#include "pipelines/pipelines.h"
#include "registry/registry.h"
#include "repository/model_repository.h"
#include "storage/database.h"
#include "traffic/endpoints.h"
#include "traffic/rollouts.h"
#include "traffic/tuning.h"

namespace slipway::api::native {

enum class Readiness { kStarting, kReady, kDraining };

// What the process as a whole knows and no room does.
struct ProcessFacts {
  std::string data_folder;
  std::string clock_mode;  // "system" | "driven"
  base::Micros started = 0;
  std::atomic<Readiness> readiness = Readiness::kStarting;
  std::vector<base::SettingRow> settings;
  // Moves a driven clock and runs every control step due by then; refuses (reason
  // "clock_not_driven") on the system clock.
  std::function<base::Status(base::Micros)> set_clock;
};

// References live as long as the router.
struct Parts {
  ProcessFacts& process;
  base::Clock& clock;
  base::Metrics& metrics;
  events::EventLog& events;
  registry::Registry& registry;
  traffic::Endpoints& endpoints;
  repository::ModelRepository& repository;
  traffic::Rollouts& rollouts;
  traffic::Tuning& tuning;
  monitoring::Monitor& monitor;
  pipelines::Pipelines& pipelines;
  lifecycle::Lifecycle& lifecycle;
  lifecycle::Holdouts& holdouts;
  lifecycle::Retention& retention;
  inference::ModelPool& pool;
  storage::Database& database;
};

// A file of the web page, built into the binary.
struct WebFile {
  std::string_view path;  // "index.html", "app.js"
  std::string_view bytes;
};

void Register(net::Router& router, Parts parts, std::span<const WebFile> web);

// The pieces of Register, one file each.
void RegisterOperations(net::Router& router, const Parts& parts);
void RegisterEvents(net::Router& router, const Parts& parts);
void RegisterModels(net::Router& router, registry::Registry& registry);
void RegisterIntegrity(net::Router& router, registry::Registry& registry);
void RegisterLineage(net::Router& router, const Parts& parts);
void RegisterGates(net::Router& router, registry::Registry& registry);
void RegisterHoldouts(net::Router& router, lifecycle::Holdouts& holdouts);
void RegisterRetention(net::Router& router, lifecycle::Retention& retention);
void RegisterCheck(net::Router& router, const Parts& parts);
void RegisterTraffic(net::Router& router, const Parts& parts);
void RegisterTuning(net::Router& router, traffic::Tuning& tuning);
void RegisterMonitoring(net::Router& router, const Parts& parts);
void RegisterLabels(net::Router& router, const Parts& parts);  // by RegisterMonitoring
void RegisterAlerts(net::Router& router, const Parts& parts);
void RegisterPipelines(net::Router& router, const Parts& parts);
void RegisterWeb(net::Router& router, std::span<const WebFile> web);

// An error answer with the recorded verdicts beside it when gates refused.
net::HttpResponse Refusal(registry::Registry& registry, const base::Status& status,
                          const std::string& model, int64_t version);

}  // namespace slipway::api::native
