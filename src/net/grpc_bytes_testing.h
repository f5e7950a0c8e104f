// SPDX-License-Identifier: Apache-2.0
// A gRPC service of one unary method over raw bytes, without a .proto: for benchmarks and tests of
// the server itself.
#pragma once

#include <functional>
#include <memory>
#include <string>

namespace grpc {
class Service;
}

namespace slipway::net {

// `method`: "/package.Service/Method". `answer` runs on gRPC's threads, several at a time.
std::unique_ptr<grpc::Service> MakeBytesService(std::string method,
                                                std::function<std::string(std::string)> answer);

}  // namespace slipway::net
