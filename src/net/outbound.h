// SPDX-License-Identifier: Apache-2.0
// One outbound connection with a deadline, plain or TLS. Private to net.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/status.h"
#include "net/address.h"

namespace slipway::net {

// Not thread-safe. Every call ends by the deadline (MonotonicNanos) with kDeadlineExceeded; name
// resolution alone may take as long as the system's resolver does.
class Outbound {
 public:
  virtual ~Outbound() = default;
  // Tries the host's addresses in turn; only those that `allowed` allows (kPermissionDenied
  // "address_not_allowed" when none).
  static base::Result<std::unique_ptr<Outbound>> Connect(const std::string& host, uint16_t port,
                                                         bool tls, const AllowList& allowed,
                                                         int64_t deadline);
  virtual base::Status Write(std::string_view bytes) = 0;
  virtual base::Result<size_t> Read(std::span<char> buffer) = 0;  // 0 at the end
  // TLS on this plain connection from here on (STARTTLS), which is the answer's afterwards.
  virtual base::Result<std::unique_ptr<Outbound>> Secure(const std::string& host) = 0;
};

}  // namespace slipway::net
