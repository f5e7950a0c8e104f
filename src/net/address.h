// SPDX-License-Identifier: Apache-2.0
// Network addresses as settings and URLs write them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace slipway::net {

struct HostPort {
  std::string host;  // without brackets
  uint16_t port = 0;
};

// "127.0.0.1:8080", "localhost:0", "[::1]:8080".
base::Result<HostPort> ParseHostPort(std::string_view text);

// An address as bytes: 4 (IPv4) or 16 (IPv6; IPv4-mapped ones are given as IPv4).
struct IpAddress {
  std::string bytes;
  std::string ToString() const;
  static base::Result<IpAddress> Parse(const std::string& text);
};

// Which addresses may be called: CIDR networks, or "*" for all.
class AllowList {
 public:
  static base::Result<AllowList> Parse(const std::vector<std::string>& networks);
  bool Allows(const IpAddress& address) const;

 private:
  struct Network {
    IpAddress address;
    int prefix_bits = 0;
  };
  bool all_ = false;
  std::vector<Network> networks_;
};

}  // namespace slipway::net
