// SPDX-License-Identifier: Apache-2.0
// Server: every object of the product, built in order, started in order, stopped in the opposite
// order.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "app/assembly.h"
#include "app/settings.h"
#include "base/config.h"
#include "base/status.h"

namespace slipway::app {

class Server {
 public:
  // Opens the data folder (kFailedPrecondition, reason "data_in_use", when another server has it)
  // and builds everything. `rows`: every setting with its origin, as the API shows them; those
  // whose name says secret, password or token are masked.
  static base::Result<std::unique_ptr<Server>> Build(Settings settings, const Assembly& assembly,
                                                     std::vector<base::SettingRow> rows);
  ~Server();  // Stop()
  // Serves from when it returns. Writes <data>/listen.json: {"http": "host:port", "grpc":
  // "host:port", "pid": n}.
  base::Status Start();
  // /ready turns 503, then requests in flight finish, then everything is written and closed.
  // Idempotent.
  void Stop();
  // Reads the certificates of both servers again; those in use stay when the new ones are broken.
  void ReloadCertificates();
  std::string http_address() const;
  std::string grpc_address() const;

 private:
  struct State;
  explicit Server(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Setting rows with secrets masked.
std::vector<base::SettingRow> MaskSecrets(std::vector<base::SettingRow> rows);

}  // namespace slipway::app
