// SPDX-License-Identifier: Apache-2.0
// TlsFiles: the certificate that a server shows now. Private to net.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/status.h"
#include "net/tls.h"

struct ssl_ctx_st;

namespace slipway::net {

// One generation of certificate, key and client CA, as read and found to fit together.
struct TlsMaterial {
  std::string certificate;  // PEM
  std::string key;
  std::string client_ca;
  std::shared_ptr<ssl_ctx_st> context;
  int64_t generation = 0;
};

// Looks after the files on a thread of its own: once changed files have stood still for one
// interval they are read; when they are broken or do not fit together, the former ones stay and the
// log says why. Thread-safe.
class TlsFiles {
 public:
  // `prefix`: of the settings, for errors. kInvalidArgument naming the setting at fault.
  static base::Result<std::unique_ptr<TlsFiles>> Open(std::string prefix, TlsSettings settings);
  ~TlsFiles();
  TlsFiles(const TlsFiles&) = delete;
  TlsFiles& operator=(const TlsFiles&) = delete;

  std::shared_ptr<const TlsMaterial> current() const;
  bool asks_for_clients() const;
  // Reads the files soon, changed or not.
  void Reload();

 private:
  struct State;
  explicit TlsFiles(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace slipway::net
