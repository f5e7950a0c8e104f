// SPDX-License-Identifier: Apache-2.0
// grpc.health.v1.Health for the services of a server. Private to net.
#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "net/grpc_calls.h"

namespace slipway::net {

// Thread-safe. Every service serves until StopServing.
class GrpcHealth {
 public:
  // Before the server starts. "" stands for the server as a whole.
  void SetServices(const std::vector<std::string>& services);
  // Watchers are told, and their streams end.
  void StopServing();
  GrpcUnaryMethod Check();
  GrpcStreamMethod Watch();

 private:
  class Watcher;
  enum class Serving { kUnknownService, kYes, kNo };
  Serving Of(const std::string& service);
  // False: the server is stopping, and the watcher was told so.
  bool Enter(const std::shared_ptr<Watcher>& watcher);

  std::mutex mutex_;
  std::set<std::string, std::less<>> services_;
  std::vector<std::weak_ptr<Watcher>> watchers_;
  bool serving_ = true;
};

}  // namespace slipway::net
