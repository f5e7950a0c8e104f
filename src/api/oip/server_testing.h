// SPDX-License-Identifier: Apache-2.0
// For store tests: the protocol on real sockets, over models that do what the test says.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "api/oip/oip.h"
#include "base/threads.h"
#include "net/grpc_server.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "serving/testing.h"
#include "storage/folder_testing.h"

namespace slipway::api::oip {

// Endpoints: "m" (x FP32 [-1, 1] -> y = 2 x, stable version 3) and "echo", whose outputs are its
// inputs: "f" FP32 [-1, 2], "s" BYTES [-1], "h" FP16 [-1], "b" BOOL [-1], "l" INT64 [-1], each
// named out_<name> and given only where asked or sent; "many" (decoupled), which answers each x
// `many->answers` times with y = x; and "talk": text_input BYTES [-1, 1] -> text_output, the same.
class OipServer {
 public:
  OipServer();
  ~OipServer();
  net::HttpResponse Send(const std::string& method, const std::string& path, std::string body = {},
                         std::vector<net::Header> headers = {});
  std::string grpc_target() const;

  storage::TestFolder traces;
  serving::FakeServing serving;
  std::shared_ptr<serving::FakeModel> many;
  std::shared_ptr<serving::FakeModel> times;  // of "m"
  std::atomic<bool> ready{true};

 private:
  net::Router router_;
  base::ThreadPool pool_{"test", 1, 10};
  base::Metrics metrics_;
  std::unique_ptr<net::HttpServer> http_;
  std::unique_ptr<net::GrpcServer> grpc_;
  net::HttpClient client_{{}};
};

}  // namespace slipway::api::oip
