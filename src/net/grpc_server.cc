// SPDX-License-Identifier: Apache-2.0
// GrpcServer: the gRPC half of what a protocol can be served over. Services bring callback
// handlers; this hosts them.
#include "net/grpc_server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/service_type.h>
#include <grpcpp/resource_quota.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <thread>

#include "net/address.h"

namespace slipway::net {

void Describe(base::Schema& schema, GrpcServerSettings& settings) {
  schema.Add("grpc.listen", &settings.listen,
             "Address and port of the gRPC server; port 0 takes any free one.");
  schema.Add("grpc.max_message_bytes", &settings.max_message_bytes,
             "Largest gRPC message, either way.", 1024, (1LL << 31) - 1);
  schema.Add("grpc.drain_timeout", &settings.drain_timeout,
             "Time for calls in flight to end when stopping.", base::Duration{0},
             base::Duration{base::kDay});
}

struct GrpcServer::State {
  GrpcServerSettings settings;
  std::vector<std::unique_ptr<grpc::Service>> services;
  std::unique_ptr<grpc::Server> server;
  int port = 0;
};

GrpcServer::GrpcServer(GrpcServerSettings settings) : state_(std::make_unique<State>()) {
  state_->settings = std::move(settings);
}

GrpcServer::~GrpcServer() { Stop(); }

void GrpcServer::Add(std::unique_ptr<grpc::Service> service) {
  CHECK(!state_->server, "services are added before Start");
  state_->services.push_back(std::move(service));
}

base::Status GrpcServer::Start() {
  CHECK(!state_->server, "a server is started once");
  TRY(ParseHostPort(state_->settings.listen));
  static std::once_flag plugins;
  std::call_once(plugins, [] {
    grpc::EnableDefaultHealthCheckService(true);  // grpc.health.v1
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  });
  grpc::ServerBuilder builder;
  builder.AddListeningPort(state_->settings.listen, grpc::InsecureServerCredentials(),
                           &state_->port);
  // Otherwise a second server on the port would silently take half of the connections.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.SetMaxReceiveMessageSize(static_cast<int>(state_->settings.max_message_bytes));
  builder.SetMaxSendMessageSize(static_cast<int>(state_->settings.max_message_bytes));
  // Only health and reflection use the synchronous side: keep its threads few, the server may share
  // one core.
  builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::MIN_POLLERS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::MAX_POLLERS, 2);
  grpc::ResourceQuota quota("slipway");
  quota.SetMaxThreads(static_cast<int>(std::max(8U, 2 * std::thread::hardware_concurrency())));
  builder.SetResourceQuota(quota);
  for (const auto& service : state_->services) builder.RegisterService(service.get());
  state_->server = builder.BuildAndStart();
  if (!state_->server || state_->port == 0) {
    state_->server.reset();
    return base::Unavailable("cannot_listen",
                             "cannot listen on " + state_->settings.listen + " for gRPC");
  }
  return base::Status::Ok();
}

void GrpcServer::Stop() {
  if (!state_->server) return;
  if (auto* health = state_->server->GetHealthCheckService()) health->SetServingStatus(false);
  state_->server->Shutdown(std::chrono::system_clock::now() +
                           std::chrono::microseconds(state_->settings.drain_timeout.micros));
  state_->server->Wait();
  state_->server.reset();
}

uint16_t GrpcServer::port() const { return static_cast<uint16_t>(state_->port); }

}  // namespace slipway::net
