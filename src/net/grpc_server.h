// SPDX-License-Identifier: Apache-2.0
// GrpcServer: hosts the gRPC methods that protocols bring. Health (grpc.health.v1) and reflection
// are built in.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "base/config.h"
#include "base/status.h"
#include "net/grpc_calls.h"
#include "net/tls.h"

namespace slipway::net {

struct GrpcServerSettings {
  std::string listen = "127.0.0.1:8081";  // port 0: any free one
  int64_t io_threads = 1;
  int64_t max_message_bytes = 64LL * 1024 * 1024;
  int64_t max_metadata_bytes = 16 * 1024;
  int64_t max_calls = 10000;
  int64_t max_streams = 1000;
  std::string compression = "none";
  base::Duration handshake_timeout{10 * base::kSecond};
  base::Duration keepalive_time{2 * base::kHour};
  base::Duration keepalive_timeout{20 * base::kSecond};
  base::Duration min_ping_interval{10 * base::kSecond};
  base::Duration max_connection_idle{base::kDay};
  base::Duration max_connection_age{365 * base::kDay};
  base::Duration drain_timeout{30 * base::kSecond};
  TlsSettings tls{};
};
void Describe(base::Schema& schema, GrpcServerSettings& settings);

class GrpcServer {
 public:
  explicit GrpcServer(GrpcServerSettings settings);
  ~GrpcServer();
  // Before Start.
  void Add(GrpcUnaryMethod method);
  void Add(GrpcStreamMethod method);
  // `handle` runs on an I/O thread and must not block.
  template <typename Request, typename Response>
  void AddUnary(std::string name, std::function<void(GrpcUnary<Request, Response>)> handle) {
    Add(GrpcUnaryMethod{std::move(name), [] { return std::make_shared<Request>(); },
                        [] { return std::make_shared<Response>(); },
                        [handle = std::move(handle)](GrpcUnaryCall& call) {
                          handle(GrpcUnary<Request, Response>(call));
                        }});
  }
  // Any mix of streams: a method that streams one way only reads or writes once.
  template <typename Request>
  void AddStream(
      std::string name,
      std::function<std::shared_ptr<GrpcStreamHandler>(std::shared_ptr<GrpcStream>)> begin) {
    Add(GrpcStreamMethod{std::move(name), [] { return std::make_shared<Request>(); },
                         std::move(begin)});
  }
  base::Status Start();
  void Stop();  // drains, at most drain_timeout
  // Reads the certificate's files soon, changed or not; connections that are open stay as they are.
  void ReloadTls();
  uint16_t port() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace slipway::net
