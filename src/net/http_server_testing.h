// SPDX-License-Identifier: Apache-2.0
// What the tests of the HTTP server share: a client that sends exactly the bytes it is told to, and
// a server with routes of every kind.
#pragma once

#include <atomic>
#include <cstdint>
#include <future>
#include <memory>
#include <string>
#include <string_view>

#include "base/files.h"
#include "net/http_server.h"

namespace slipway::net {

// A client that sends exactly the bytes it is told to. A read that hangs for 20 s ends.
class RawClient {
 public:
  explicit RawClient(uint16_t port);
  bool connected() const { return connected_; }
  int fd() const { return socket_.fd(); }
  bool Send(std::string_view bytes);
  // Until `text` has come (and what came with it), or the end.
  std::string ReadUntil(std::string_view text);
  std::string ReadToEnd();
  // One response with a Content-Length, taken off what was seen.
  std::string ReadResponse();

 private:
  bool ReadSome();

  base::FileHandle socket_;
  bool connected_ = false;
  std::string seen_;
};

int64_t ResidentBytes();  // of this process
// How much it may grow while a large body flows. The sanitizers keep freed memory on purpose, so
// resident memory says nothing under them.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr int64_t kMostGrowthBytes = 1LL << 40;
#else
inline constexpr int64_t kMostGrowthBytes = 16 << 20;
#endif

std::string StatusLine(const std::string& response);
std::string Body(const std::string& response);

// Routes: GET /hello/{name}, POST /echo, GET /forgets, GET /blocking?q=, PUT /upload (streaming),
// GET /download?size=&length=, GET /breaks. Settings and routes may be changed before Start.
class HttpServerFixture {
 protected:
  HttpServerFixture();
  ~HttpServerFixture();
  void Start();
  // One request on a connection of its own.
  std::string Ask(const std::string& bytes);

  HttpServerSettings settings_;
  Router router_;
  base::ThreadPool pool_{"test", 4, 100};
  base::Metrics metrics_;
  std::unique_ptr<HttpServer> server_;
  std::atomic<int64_t> most_resident_{0};     // seen while /upload read
  std::promise<std::string> upload_failure_;  // the reason that /upload's reader gave

 private:
  HttpResponse Upload(HttpRequest& request);
};

}  // namespace slipway::net
