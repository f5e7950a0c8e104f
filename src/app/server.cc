// SPDX-License-Identifier: Apache-2.0
// Builds the house from the ground up and runs it.
#include "app/server.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <thread>

#include "api/native/native.h"
#include "app/adapters.h"
#include "app/control.h"
#include "app/stores.h"
#include "base/files.h"
#include "base/loader_pages.h"
#include "base/log.h"
#include "base/threads.h"
#include "embedded/web.h"
#include "inference/probe.h"
#include "registry/scrub.h"
#include "registry/webhooks.h"
#include "repository/version_config.h"
#include "serving/limits.h"

namespace slipway::app {
namespace {

constexpr size_t kBlockingQueue = 10'000;

// "127.0.0.1:8080" -> "127.0.0.1"
std::string HostOf(const std::string& listen) { return listen.substr(0, listen.rfind(':')); }

bool IsLoopback(const std::string& host) {
  return host == "localhost" || host == "[::1]" || host == "::1" || host.starts_with("127.");
}

base::Status CheckAddresses(const Settings& settings) {
  for (const auto& [key, listen] :
       {std::pair<std::string, std::string>{"http.listen", settings.http.listen},
        {"grpc.listen", settings.grpc.listen}}) {
    if (IsLoopback(HostOf(listen)) || settings.process.insecure) continue;
    return base::InvalidArgument(
        key, listen +
                 " is open to other machines, and this server has no authentication yet: bind "
                 "127.0.0.1, or say --insecure when the network itself is trusted");
  }
  return base::Status::Ok();
}

}  // namespace

std::vector<base::SettingRow> MaskSecrets(std::vector<base::SettingRow> rows) {
  for (base::SettingRow& row : rows) {
    const bool secret = row.key.find("secret") != std::string::npos ||
                        row.key.find("password") != std::string::npos ||
                        row.key.find("token") != std::string::npos || row.key == "database.url";
    const bool hides = secret && !row.value.empty() && row.value != row.default_value;
    if (hides) row.value = "(set)";
  }
  return rows;
}

// Members stand in the order in which they are built; they go in the opposite one.
struct Server::State {
  Settings settings;
  base::FileHandle lock;
  base::Metrics metrics;
  api::native::ProcessFacts process;
  std::unique_ptr<storage::Database> database;
  std::unique_ptr<base::Clock> clock;
  base::SystemClock real_clock;
  base::DrivenClock* driven = nullptr;  // `clock`, when it is driven
  std::unique_ptr<storage::Blobs> blobs;
  std::unique_ptr<storage::Blobs> archive;  // of predictions; may be null
  std::unique_ptr<events::EventLog> events;
  std::unique_ptr<tracking::Tracking> tracking;
  std::unique_ptr<registry::Registry> registry;
  std::unique_ptr<registry::Scrub> scrub;
  std::unique_ptr<inference::ModelPool> pool;
  std::unique_ptr<traffic::VersionLoader> loader;
  std::unique_ptr<traffic::Endpoints> endpoints;
  std::unique_ptr<repository::ModelRepository> repository;
  std::unique_ptr<traffic::Rollouts> rollouts;
  std::unique_ptr<traffic::Tuning> tuning;
  std::unique_ptr<net::HttpClient> client;
  std::unique_ptr<registry::Webhooks> webhooks;
  std::unique_ptr<monitoring::Monitor> monitor;
  std::unique_ptr<pipelines::Pipelines> pipelines;
  std::unique_ptr<lifecycle::Contests> contests;
  std::unique_ptr<lifecycle::Holdouts> holdouts;
  std::unique_ptr<lifecycle::Retention> retention;
  std::unique_ptr<lifecycle::Lifecycle> lifecycle;
  std::unique_ptr<serving::Recorder> recorder;
  std::unique_ptr<serving::OutcomeObserver> observer;
  std::unique_ptr<serving::Predictor> predictor;
  std::unique_ptr<ControlLoop> control;
  std::unique_ptr<base::ThreadPool> blocking;
  net::Router router;
  std::unique_ptr<net::HttpServer> http;
  std::unique_ptr<net::GrpcServer> grpc;
  bool running = false;

  base::Status BuildStorage(const Assembly& assembly);
  base::Status BuildRooms(const Assembly& assembly);
  void BuildFront(const Assembly& assembly);
  base::Status StartRooms();
  base::Status WriteListen() const;
  std::vector<Controller> Controllers();
};

base::Status Server::State::BuildStorage(const Assembly& assembly) {
  Stores stores = TRY(OpenStores(settings, assembly, metrics));
  lock = std::move(stores.lock);
  database = std::move(stores.database);
  clock = std::move(stores.clock);
  driven = dynamic_cast<base::DrivenClock*>(clock.get());
  blobs = std::move(stores.blobs);
  events = std::move(stores.events);
  if (!settings.monitoring.archive.empty()) {
    archive = TRY(
        storage::OpenBlobs(settings.monitoring.archive, settings.process.data, assembly.stores()));
  }
  return base::Status::Ok();
}

base::Status Server::State::BuildRooms(const Assembly& assembly) {
  tracking = std::make_unique<tracking::Tracking>(*database, *events, *clock);
  registry =
      std::make_unique<registry::Registry>(*database, *blobs, *events, *clock, settings.registry);
  registry->SetMetadataSource(MetadataFrom(*tracking));
  scrub =
      std::make_unique<registry::Scrub>(*registry, metrics, settings.registry.scrub_interval.micros,
                                        settings.registry.scrub_mb_per_s);
  pool = std::make_unique<inference::ModelPool>(
      settings.inference, TRY(assembly.Runtimes(settings)), metrics,
      inference::RememberPassed(
          inference::ExecProbe(settings.inference),
          (std::filesystem::path(settings.process.data) / "cache" / "probed").string()));
  loader = traffic::MakeRegistryLoader(*registry, *pool, repository::ConfigsOfVersions(),
                                       settings.inference.load == "on_demand");
  endpoints = std::make_unique<traffic::Endpoints>(*database, *events, *clock, *loader, metrics);
  registry->AddUse(ServedBy(*endpoints));
  tracking->SetUse(UsedBy(*registry));
  repository = std::make_unique<repository::ModelRepository>(
      repository::ModelRepository::Parts{*database, *events, *clock, *registry, *pool, *endpoints,
                                         settings.inference.load == "on_demand"},
      settings.repository, settings.process.data);
  rollouts = std::make_unique<traffic::Rollouts>(*database, *events, *clock, metrics, *endpoints,
                                                 traffic::MakeAnalyses(settings.rollout),
                                                 settings.rollout);
  tuning = std::make_unique<traffic::Tuning>(
      traffic::Tuning::Parts{*registry, *endpoints, *pool, *database, *events, *clock});
  client = std::make_unique<net::HttpClient>(settings.outbound);
  webhooks = std::make_unique<registry::Webhooks>(*database, *events, *clock, *client, metrics);
  monitor = std::make_unique<monitoring::Monitor>(
      monitoring::Monitor::Parts{*database, *events, *clock, metrics, BaselineFrom(*registry),
                                 assembly.Sinks(*client), LossesTo(*rollouts), archive.get()},
      settings.monitoring, settings.process.data);
  contests = std::make_unique<lifecycle::Contests>(*registry, *endpoints, *monitor,
                                                   settings.lifecycle.contest);
  holdouts = std::make_unique<lifecycle::Holdouts>(*database, *blobs, *events, *clock);
  retention = std::make_unique<lifecycle::Retention>(
      lifecycle::Retention::Parts{*database, *events, *clock, *blobs, *registry, *holdouts},
      settings.retention);
  assembly.AddGates(
      *registry, {*database, *clock, *blobs, *endpoints, *contests, *holdouts, *client, settings});
  TRY(serving::ParseLimits(settings.serving.rate_limits));
  recorder = RecordTo(*monitor);
  observer = ObserveWith(*rollouts);
  predictor =
      std::make_unique<serving::Predictor>(serving::MakeRoutes(*endpoints, *repository), *recorder,
                                           *observer, *clock, metrics, settings.serving);
  return base::Status::Ok();
}

std::vector<Controller> Server::State::Controllers() {
  auto plain = [](auto&& tick) {
    return [tick](base::Micros now) -> base::Result<bool> {
      TRY(tick(now));
      return false;
    };
  };
  return {{"monitoring", plain([this](base::Micros now) {
             monitor->Flush();
             return monitor->Tick(now);
           })},
          {"rollouts", plain([this](base::Micros now) { return rollouts->Tick(now); })},
          {"pipelines", plain([this](base::Micros now) { return pipelines->Tick(now); })},
          {"lifecycle", [this](base::Micros) { return lifecycle->Tick(); }}};
}

// What faces the outside: the routes of every protocol, and the control loop that they may wake.
void Server::State::BuildFront(const Assembly& assembly) {
  blocking = std::make_unique<base::ThreadPool>(
      "blocking", static_cast<size_t>(settings.process.blocking_threads), kBlockingQueue);
  http = std::make_unique<net::HttpServer>(settings.http, router, *blocking, metrics);
  grpc = std::make_unique<net::GrpcServer>(settings.grpc);
  pipelines = std::make_unique<pipelines::Pipelines>(
      *database, *events, *clock, real_clock, metrics, assembly.Executor(), settings.pipelines,
      pipelines::PipelineSurroundings{
          [this] {
            return (settings.http.tls.enabled() ? "https://" : "http://") +
                   HostOf(settings.http.listen) + ":" + std::to_string(http->port());
          },
          settings.process.data});
  lifecycle = std::make_unique<lifecycle::Lifecycle>(
      lifecycle::Lifecycle::Parts{*database, *events, *clock, *registry, *endpoints, *rollouts,
                                  *monitor, *pipelines, *contests},
      settings.lifecycle);
  control = std::make_unique<ControlLoop>(*clock, *events, Controllers());
  process.set_clock = [this](base::Micros now) -> base::Status {
    if (driven == nullptr) {
      return base::FailedPrecondition(
          "clock_not_driven",
          "this server runs by the system's clock; set clock.mode: driven to replay");
    }
    TRY(driven->Advance(now));
    control->RunUntilQuiet();
    return base::Status::Ok();
  };
  std::vector<api::native::WebFile> web;
  for (const embedded::File& file : embedded::Web()) web.push_back({file.path, file.bytes});
  api::native::Register(
      router,
      {process, *clock, metrics, *events, *registry, *endpoints, *repository, *rollouts, *tuning,
       *monitor, *pipelines, *lifecycle, *holdouts, *retention, *pool, *database},
      web);
  assembly.AddProtocols({router, *grpc, settings, metrics, *database, *blobs, *clock, *tracking,
                         *registry, *predictor, *repository, *webhooks,
                         [this] { return process.readiness == api::native::Readiness::kReady; }});
}

base::Result<std::unique_ptr<Server>> Server::Build(Settings settings, const Assembly& assembly,
                                                    std::vector<base::SettingRow> rows) {
  TRY(CheckAddresses(settings));
  auto state = std::make_unique<State>();
  TRY(PlaceData(settings));
  state->settings = std::move(settings);
  state->process.data_folder = state->settings.process.data;
  state->process.clock_mode = state->settings.process.clock_mode;
  state->process.settings = MaskSecrets(std::move(rows));
  TRY(state->BuildStorage(assembly));
  TRY(state->BuildRooms(assembly));
  state->BuildFront(assembly);
  return std::unique_ptr<Server>(new Server(std::move(state)));
}

Server::Server(std::unique_ptr<State> state) : state_(std::move(state)) {}
Server::~Server() { Stop(); }

base::Status Server::State::StartRooms() {
  TRY(registry->Start());
  const base::Status loaded = endpoints->Start();
  // A version that does not load must not keep the others from answering.
  if (!loaded.ok())
    base::Log(base::LogLevel::kError, "app", "not every version could be loaded",
              {{"error", loaded.ToString()}});
  TRY(repository->Start());
  TRY(rollouts->Start());
  TRY(monitor->Start());
  TRY(lifecycle->Start());
  return base::Status::Ok();
}

base::Status Server::State::WriteListen() const {
  const base::Json listen = base::Json::MakeObject(
      {{"http", HostOf(settings.http.listen) + ":" + std::to_string(http->port())},
       {"grpc", HostOf(settings.grpc.listen) + ":" + std::to_string(grpc->port())},
       {"pid", static_cast<int64_t>(getpid())}});
  return base::WriteFileAtomically(settings.process.data + "/listen.json", listen.Dump() + "\n");
}

base::Status Server::Start() {
  State& state = *state_;
  state.running = true;
  state.process.started = state.clock->Now();
  TRY(state.StartRooms());
  TRY(state.http->Start());
  TRY(state.grpc->Start());
  // Steps of an interrupted pipeline call this server, so they go on only now.
  TRY(state.pipelines->Start());
  state.control->Start();
  state.scrub->Start();
  state.webhooks->Start();
  state.process.readiness = api::native::Readiness::kReady;
  TRY(state.WriteListen());
  base::ReleaseLoaderPages();
  base::Log(
      base::LogLevel::kInfo, "app", "serving",
      {{"http", http_address()}, {"grpc", grpc_address()}, {"data", state.process.data_folder}});
  return base::Status::Ok();
}

void Server::Stop() {
  State& state = *state_;
  if (!state.running) return;
  state.running = false;
  state.process.readiness = api::native::Readiness::kDraining;
  std::this_thread::sleep_for(
      std::chrono::microseconds(state.settings.process.drain_notice.micros));
  state.http->Stop();
  state.grpc->Stop();
  state.control->Stop();
  state.scrub->Stop();
  state.webhooks->Stop();
  state.pipelines->Stop();
  state.blocking->Stop();
  state.tuning->Stop();
  state.registry->Stop();
  state.repository->Stop();
  state.pool->Stop();
  state.rollouts->Stop();
  state.monitor->Stop();
  base::Log(base::LogLevel::kInfo, "app", "stopped");
}

void Server::ReloadCertificates() {
  state_->http->ReloadTls();
  state_->grpc->ReloadTls();
}

std::string Server::http_address() const {
  return HostOf(state_->settings.http.listen) + ":" + std::to_string(state_->http->port());
}
std::string Server::grpc_address() const {
  return HostOf(state_->settings.grpc.listen) + ":" + std::to_string(state_->grpc->port());
}

}  // namespace slipway::app
