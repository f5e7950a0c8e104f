// SPDX-License-Identifier: Apache-2.0
// TlsStream: one connection's TLS over its non-blocking socket. Private to net.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

struct ssl_st;
struct ssl_ctx_st;

namespace slipway::net {

// Not thread-safe. Reads and writes as recv and sendmsg do: a count, 0 at the end (of reading), or
// -1 with errno (EAGAIN: try again when the socket is ready). The handshake is part of the first
// read.
class TlsStream {
 public:
  // `context` stays alive as long as the stream.
  TlsStream(const std::shared_ptr<ssl_ctx_st>& context, int fd);
  ~TlsStream();
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  int64_t Read(char* buffer, size_t size);
  int64_t Write(std::span<const std::string_view> parts);
  // Says that nothing more will be sent; does not wait for the peer.
  void ShutDown();

 private:
  int64_t Failed(int result);

  std::shared_ptr<ssl_ctx_st> context_;
  ssl_st* ssl_;
  int fd_;
  bool broken_ = false;
  std::string together_;  // a head and a body in one record
};

}  // namespace slipway::net
