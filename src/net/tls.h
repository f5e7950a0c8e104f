// SPDX-License-Identifier: Apache-2.0
// TLS of a server: where its certificate lies, and when that is read again.
#pragma once

#include <string>
#include <string_view>

#include "base/config.h"

namespace slipway::net {

struct TlsSettings {
  std::string certificate;  // PEM file, the chain; empty: no TLS
  std::string key;          // PEM file
  std::string client_ca;    // PEM file; set: clients must show a certificate that it signed
  std::string min_version = "1.2";
  base::Duration reload_interval{2 * base::kSecond};

  bool enabled() const { return !certificate.empty() || !key.empty() || !client_ca.empty(); }
};
// `prefix`: "http.tls" or "grpc.tls".
void Describe(base::Schema& schema, std::string_view prefix, TlsSettings& settings);

}  // namespace slipway::net
