// SPDX-License-Identifier: Apache-2.0
// Network addresses: where servers listen, and which ones the outbound client may call.
#include "net/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace slipway::net {

namespace {

template <typename T>
bool ReadWhole(std::string_view text, T& value) {
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  return end.ec == std::errc() && end.ptr == text.data() + text.size();
}

base::Status BadAddress(std::string_view text) {
  return base::InvalidArgument(
      "", "expected host:port such as 127.0.0.1:8080, got \"" + std::string(text) + "\"",
      "bad_address");
}

}  // namespace

base::Result<HostPort> ParseHostPort(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return BadAddress(text);
  std::string_view host = text.substr(0, colon);
  HostPort parsed;
  if (!ReadWhole(text.substr(colon + 1), parsed.port)) return BadAddress(text);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return BadAddress(text);
  }
  if (host.empty()) return BadAddress(text);
  parsed.host = host;
  return parsed;
}

base::Result<IpAddress> IpAddress::Parse(const std::string& text) {
  std::array<char, 16> raw{};
  if (inet_pton(AF_INET, text.c_str(), raw.data()) == 1) return IpAddress{{raw.data(), 4}};
  if (inet_pton(AF_INET6, text.c_str(), raw.data()) == 1) {
    const std::string_view bytes(raw.data(), 16);
    constexpr std::string_view kMapped("\0\0\0\0\0\0\0\0\0\0\xFF\xFF", 12);
    return IpAddress{std::string(bytes.starts_with(kMapped) ? bytes.substr(12) : bytes)};
  }
  return base::InvalidArgument("", "\"" + text + "\" is not an IP address", "bad_address");
}

std::string IpAddress::ToString() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(bytes.size() == 4 ? AF_INET : AF_INET6, bytes.data(), text.data(), text.size());
  return text.data();
}

base::Result<AllowList> AllowList::Parse(const std::vector<std::string>& networks) {
  AllowList list;
  for (const std::string& text : networks) {
    if (text == "*") {
      list.all_ = true;
      continue;
    }
    const size_t slash = text.find('/');
    Network network;
    auto address = IpAddress::Parse(text.substr(0, slash));
    bool good = address.ok();
    if (good) {
      network.address = std::move(address).value();
      const int most = static_cast<int>(network.address.bytes.size()) * 8;
      network.prefix_bits = most;
      if (slash != std::string::npos) {
        good = ReadWhole(std::string_view(text).substr(slash + 1), network.prefix_bits) &&
               network.prefix_bits >= 0 && network.prefix_bits <= most;
      }
    }
    if (!good) {
      return base::InvalidArgument(
          "http_client.allow", "expected a network such as 10.0.0.0/8 or *, got \"" + text + "\"",
          "bad_network");
    }
    list.networks_.push_back(std::move(network));
  }
  return list;
}

bool AllowList::Allows(const IpAddress& address) const {
  if (all_) return true;
  return std::any_of(networks_.begin(), networks_.end(), [&](const Network& network) {
    if (network.address.bytes.size() != address.bytes.size()) return false;
    for (int bit = 0; bit < network.prefix_bits; ++bit) {
      const auto at = static_cast<size_t>(bit / 8);
      const int mask = 0x80 >> (bit % 8);
      if (((network.address.bytes[at] ^ address.bytes[at]) & mask) != 0) return false;
    }
    return true;
  });
}

}  // namespace slipway::net
