// SPDX-License-Identifier: Apache-2.0
// GrpcServer: hosts the gRPC services that protocols bring.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/config.h"
#include "base/status.h"

namespace grpc {
class Service;
}

namespace slipway::net {

struct GrpcServerSettings {
  std::string listen = "127.0.0.1:8081";  // port 0: any free one
  int64_t max_message_bytes = 64LL * 1024 * 1024;
  base::Duration drain_timeout{30 * base::kSecond};
};
void Describe(base::Schema& schema, GrpcServerSettings& settings);

class GrpcServer {
 public:
  explicit GrpcServer(GrpcServerSettings settings);
  ~GrpcServer();
  // Before Start; the server owns it. The caller includes the generated .grpc.pb.h (grpc::Service
  // is incomplete here).
  void Add(std::unique_ptr<grpc::Service> service);
  base::Status Start();
  void Stop();  // drains, at most drain_timeout
  uint16_t port() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace slipway::net
