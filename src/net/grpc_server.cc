// SPDX-License-Identifier: Apache-2.0
// GrpcServer: the gRPC half of what a protocol can be served over: the listener and its limits. How
// calls come and go is in grpc_methods.cc and grpc_streams.cc.
#include "net/grpc_server.h"

#include <absl/synchronization/mutex.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/resource_quota.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <thread>

#include "net/address.h"
#include "net/grpc_health.h"
#include "net/grpc_methods.h"
#include "net/grpc_tls.h"
#include "net/tls_files.h"

namespace slipway::net {

void Describe(base::Schema& schema, GrpcServerSettings& settings) {
  using base::Duration;
  constexpr Duration kLeast{base::kMillisecond};
  constexpr Duration kMost{365 * base::kDay};
  schema.Add("grpc.listen", &settings.listen,
             "Address and port of the gRPC server; port 0 takes any free one.");
  schema.Add("grpc.io_threads", &settings.io_threads, "Threads that read and write gRPC calls.", 1,
             256);
  schema.Add("grpc.max_message_bytes", &settings.max_message_bytes,
             "Largest gRPC message, either way, after decompression.", 1024, (1LL << 31) - 1);
  schema.Add("grpc.max_metadata_bytes", &settings.max_metadata_bytes,
             "Largest metadata of a gRPC call.", 1024, 1 << 20);
  schema.Add("grpc.max_calls", &settings.max_calls,
             "gRPC calls under way at a time; further ones get UNAVAILABLE.", 1, 1000000);
  schema.Add("grpc.max_streams", &settings.max_streams,
             "gRPC calls under way on one connection; the client holds back further ones.", 1,
             1000000);
  schema.AddChoice("grpc.compression", &settings.compression,
                   "How gRPC answers are compressed for clients that take it; requests may be "
                   "compressed either way.",
                   {"none", "gzip", "deflate"});
  schema.Add("grpc.handshake_timeout", &settings.handshake_timeout,
             "Time for a new gRPC connection to become one (TLS, HTTP/2).", kLeast, kMost);
  schema.Add("grpc.keepalive_time", &settings.keepalive_time,
             "Time without traffic after which the server asks whether a client is still there.",
             kLeast, kMost);
  schema.Add("grpc.keepalive_timeout", &settings.keepalive_timeout,
             "Time for the client's answer to that, before it is taken for gone.", kLeast, kMost);
  schema.Add("grpc.min_ping_interval", &settings.min_ping_interval,
             "Least time between a client's own pings; a client that pings more often is cut off.",
             Duration{0}, kMost);
  schema.Add("grpc.max_connection_idle", &settings.max_connection_idle,
             "Time without calls after which a gRPC connection is closed.", kLeast, kMost);
  schema.Add("grpc.max_connection_age", &settings.max_connection_age,
             "Age at which a gRPC connection is asked to end, so that clients spread anew.", kLeast,
             kMost);
  schema.Add("grpc.drain_timeout", &settings.drain_timeout,
             "Time for calls in flight to end when stopping.", Duration{0}, Duration{base::kDay});
  Describe(schema, "grpc.tls", settings.tls);
}

namespace {

int Millis(const base::Duration& duration) {
  return static_cast<int>(
      std::clamp<int64_t>(duration.micros / base::kMillisecond, 0, INT32_MAX - 1));
}

void SetLimits(grpc::ServerBuilder& builder, const GrpcServerSettings& settings) {
  builder.SetMaxReceiveMessageSize(static_cast<int>(settings.max_message_bytes));
  builder.SetMaxSendMessageSize(static_cast<int>(settings.max_message_bytes));
  const std::pair<const char*, int> arguments[] = {
      // Otherwise a second server on the port would silently take half of the connections.
      {GRPC_ARG_ALLOW_REUSEPORT, 0},
      // Flow control that measures the network by pings costs a tenth of a small call.
      {GRPC_ARG_HTTP2_BDP_PROBE, 0},
      {GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 4 << 20},
      {GRPC_ARG_ENABLE_CHANNELZ, 0},
      {GRPC_ARG_MAX_METADATA_SIZE, static_cast<int>(settings.max_metadata_bytes)},
      {GRPC_ARG_MAX_CONCURRENT_STREAMS, static_cast<int>(settings.max_streams)},
      {GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, Millis(settings.handshake_timeout)},
      {GRPC_ARG_KEEPALIVE_TIME_MS, Millis(settings.keepalive_time)},
      {GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Millis(settings.keepalive_timeout)},
      {GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1},
      {GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, Millis(settings.min_ping_interval)},
      {GRPC_ARG_MAX_CONNECTION_IDLE_MS, Millis(settings.max_connection_idle)},
      {GRPC_ARG_MAX_CONNECTION_AGE_MS, Millis(settings.max_connection_age)},
  };
  for (const auto& [name, value] : arguments) builder.AddChannelArgument(name, value);
  if (settings.compression != "none") {
    builder.SetDefaultCompressionAlgorithm(settings.compression == "gzip" ? GRPC_COMPRESS_GZIP
                                                                          : GRPC_COMPRESS_DEFLATE);
  }
  // Only reflection uses the synchronous side: keep its threads few, the server may share one core.
  using Option = grpc::ServerBuilder::SyncServerOption;
  builder.SetSyncServerOption(Option::NUM_CQS, 1);
  builder.SetSyncServerOption(Option::MIN_POLLERS, 1);
  builder.SetSyncServerOption(Option::MAX_POLLERS, 2);
  grpc::ResourceQuota quota("slipway");
  quota.SetMaxThreads(static_cast<int>(std::max(8U, 2 * std::thread::hardware_concurrency())));
  builder.SetResourceQuota(quota);
}

}  // namespace

struct GrpcServer::State {
  explicit State(GrpcServerSettings set)
      : settings(std::move(set)), methods(std::make_unique<GrpcMethods>(settings.max_calls)) {}
  GrpcServerSettings settings;
  GrpcHealth health;
  std::unique_ptr<GrpcMethods> methods;
  std::unique_ptr<TlsFiles> tls;
  std::shared_ptr<grpc::ServerCredentials> credentials;  // asked by every handshake
  std::unique_ptr<grpc::Server> server;
  bool started = false;
  int port = 0;
};

GrpcServer::GrpcServer(GrpcServerSettings settings)
    : state_(std::make_unique<State>(std::move(settings))) {
  Add(state_->health.Check());
  Add(state_->health.Watch());
}

GrpcServer::~GrpcServer() { Stop(); }

void GrpcServer::Add(GrpcUnaryMethod method) {
  CHECK(!state_->started, "methods are added before Start");
  state_->methods->Add(std::move(method));
}

void GrpcServer::Add(GrpcStreamMethod method) {
  CHECK(!state_->started, "methods are added before Start");
  state_->methods->Add(std::move(method));
}

base::Status GrpcServer::Start() {
  State& state = *state_;
  CHECK(!state.started, "a server is started once");
  TRY(ParseHostPort(state.settings.listen));
  state.started = true;
  static std::once_flag plugins;
  std::call_once(plugins, [] {
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    // Debian's build looks for cycles of locks at every lock of the library: a hundredth of a call.
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  });
  grpc::ServerBuilder builder;
  state.credentials = grpc::InsecureServerCredentials();
  if (state.settings.tls.enabled()) {
    state.tls = TRY(TlsFiles::Open("grpc.tls", state.settings.tls));
    state.credentials = GrpcCredentials(*state.tls);
  }
  builder.AddListeningPort(state.settings.listen, state.credentials, &state.port);
  SetLimits(builder, state.settings);
  state.health.SetServices(state.methods->services());
  state.methods->Register(builder, state.settings.io_threads);
  state.server = builder.BuildAndStart();
  if (!state.server || state.port == 0) {
    if (state.server) state.server->Shutdown();
    state.methods->Stop();
    state.server.reset();
    return base::Unavailable("cannot_listen",
                             "cannot listen on " + state.settings.listen + " for gRPC");
  }
  state.methods->Start();
  return base::Status::Ok();
}

void GrpcServer::Stop() {
  State& state = *state_;
  if (!state.server) return;
  state.health.StopServing();
  state.methods->Stopping();
  state.server->Shutdown(std::chrono::system_clock::now() +
                         std::chrono::microseconds(state.settings.drain_timeout.micros));
  state.methods->Stop();
  state.server->Wait();
  state.server.reset();
}

void GrpcServer::ReloadTls() {
  if (state_->tls) state_->tls->Reload();
}

uint16_t GrpcServer::port() const { return static_cast<uint16_t>(state_->port); }

}  // namespace slipway::net
