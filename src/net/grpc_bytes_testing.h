// SPDX-License-Identifier: Apache-2.0
// A unary gRPC method over raw bytes, without a .proto: for benchmarks and tests of the server
// itself.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "net/grpc_calls.h"

namespace slipway::net {

// `name`: "/package.Service/Method". `answer` runs on the server's I/O threads.
GrpcUnaryMethod MakeBytesMethod(std::string name, std::function<std::string(std::string)> answer);

// A message whose encoding is `bytes` itself, whatever they are.
GrpcMessageMaker MakeBytesMessage();
std::string& BytesOf(google::protobuf::MessageLite& message);  // of what that made

}  // namespace slipway::net
