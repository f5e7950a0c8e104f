// SPDX-License-Identifier: Apache-2.0
// slipway_bench_echo: the bare server, without a model: what the rate of served predictions is
// compared with.
//   slipway_bench_echo [--http 127.0.0.1:0] [--grpc 127.0.0.1:0] [--io-threads 1] [--body-bytes
//   512]
// HTTP: POST or GET /echo answers a fixed body. gRPC: /slipway.Echo/Call answers the same bytes.
// Prints the two ports on one line ("http=40001 grpc=40002") and serves until its standard input
// ends.

#include <charconv>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>

#include "base/metrics.h"
#include "base/threads.h"
#include "net/grpc_bytes_testing.h"
#include "net/grpc_server.h"
#include "net/http_server.h"

namespace {

using namespace slipway;

int Fail(const base::Status& status) {
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return 1;
}

int Serve(std::map<std::string, std::string> flags) {
  const auto number = [&](const std::string& flag) {
    int64_t value = 0;
    const std::string& text = flags[flag];
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
  };
  const std::string body(static_cast<size_t>(number("--body-bytes")), 'e');
  net::Router router;
  const auto echo = [body](const net::HttpRequest&, const net::Respond& respond) {
    respond(net::HttpResponse::Json(200, body));
  };
  router.Add("GET", "/echo", echo);
  router.Add("POST", "/echo", echo);
  base::ThreadPool pool("blocking", 1, 100);
  base::Metrics metrics;
  net::HttpServerSettings http_settings;
  http_settings.listen = flags["--http"];
  http_settings.io_threads = number("--io-threads");
  net::HttpServer http(http_settings, router, pool, metrics);
  net::GrpcServerSettings grpc_settings;
  grpc_settings.listen = flags["--grpc"];
  net::GrpcServer grpc(grpc_settings);
  grpc.Add(net::MakeBytesMethod("/slipway.Echo/Call", [body](const std::string&) { return body; }));
  if (const base::Status status = http.Start(); !status.ok()) return Fail(status);
  if (const base::Status status = grpc.Start(); !status.ok()) return Fail(status);
  std::printf("http=%d grpc=%d\n", http.port(), grpc.port());
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
  http.Stop();
  grpc.Stop();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  std::map<std::string, std::string> flags = {{"--http", "127.0.0.1:0"},
                                              {"--grpc", "127.0.0.1:0"},
                                              {"--io-threads", "1"},
                                              {"--body-bytes", "512"}};
  for (int i = 1; i < argc; i += 2) {
    if (!flags.contains(argv[i]) || i + 1 == argc) {
      std::fprintf(
          stderr,
          "unknown flag %s; known: --http --grpc --io-threads --body-bytes, each with a value\n",
          argv[i]);
      return 2;
    }
    flags[argv[i]] = argv[i + 1];
  }
  return Serve(std::move(flags));
}
