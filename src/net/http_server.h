// SPDX-License-Identifier: Apache-2.0
// HttpServer: HTTP/1.1 with keep-alive, pipelining, chunked bodies, limits and graceful drain. N
// I/O threads, one event loop each, SO_REUSEPORT; TCP_NODELAY always. Blocking and streaming routes
// run on the given pool.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/config.h"
#include "base/metrics.h"
#include "base/threads.h"
#include "net/http.h"
#include "net/tls.h"

namespace slipway::net {

// Which web pages of other origins may call; nothing is allowed until `origins` names them.
struct CorsSettings {
  std::vector<std::string> origins;  // "https://app.example.com", or "*"
  std::vector<std::string> methods = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"};
  std::vector<std::string> headers = {"Content-Type", "Inference-Header-Content-Length"};
  std::vector<std::string> exposed = {"Inference-Header-Content-Length"};
  bool credentials = false;
  base::Duration max_age{10 * base::kMinute};
};

struct HttpServerSettings {
  std::string listen = "127.0.0.1:8080";  // port 0: any free one
  int64_t io_threads = 1;
  int64_t max_header_bytes = 32 * 1024;
  int64_t max_body_bytes = 64LL * 1024 * 1024;  // buffered routes, after decompression too
  int64_t max_stream_bytes = 1LL << 40;
  int64_t max_headers = 200;
  int64_t max_target_bytes = 16 * 1024;
  int64_t max_connections = 10000;
  int64_t max_connection_requests = 0;  // 0: any number
  base::Duration header_timeout{10 * base::kSecond};
  base::Duration body_timeout{60 * base::kSecond};  // between two pieces
  base::Duration idle_timeout{75 * base::kSecond};
  base::Duration drain_timeout{30 * base::kSecond};
  base::Duration max_backlog{base::kSecond};  // 0: any
  bool compression = true;
  int64_t compression_min_bytes = 4096;
  CorsSettings cors{};
  TlsSettings tls{};
};
void Describe(base::Schema& schema, HttpServerSettings& settings);

class HttpServer {
 public:
  HttpServer(HttpServerSettings settings, const Router& router, base::ThreadPool& blocking,
             base::Metrics& metrics);
  ~HttpServer();
  // kUnavailable naming the address when it cannot be bound.
  base::Status Start();
  // Stops accepting, lets requests in flight finish (each answered with Connection: close), closes
  // idle connections; at most drain_timeout. Idempotent.
  void Stop();
  // Reads the certificate's files soon, changed or not; connections that are open stay as they are.
  void ReloadTls();
  uint16_t port() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace slipway::net
