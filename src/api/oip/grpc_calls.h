// SPDX-License-Identifier: Apache-2.0
// What the parts of the gRPC side share. Private to the room.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "api/oip/front.h"
#include "api/oip/infer.h"
#include "base/status.h"
#include "net/grpc_calls.h"
#include "net/grpc_server.h"

namespace inference {
class ModelInferRequest;
}

namespace slipway::api::oip {

inline constexpr std::string_view kServicePath = "/inference.GRPCInferenceService/";

// The one place that knows how a failure looks on this wire. The codes are gRPC's own.
base::Status ToGrpc(const base::Status& status);

// What is known of a caller besides its messages.
struct GrpcCaller {
  std::string address;
  std::string key;   // metadata slipway-key
  std::string name;  // metadata slipway-caller
};
GrpcCaller CallerOf(const net::GrpcCall& call);

// The message as a call; parts of it are taken out.
base::Result<InferCall> ReadCall(const Front& front, const GrpcCaller& caller, int64_t time_left_us,
                                 ::inference::ModelInferRequest& request);

void RegisterGrpc(net::GrpcServer& server, const std::shared_ptr<Front>& front);
void RegisterGrpcStream(net::GrpcServer& server, const std::shared_ptr<Front>& front);
// Statistics, settings, shared memory.
void RegisterGrpcControl(net::GrpcServer& server, const std::shared_ptr<Front>& front);
// The index, load and unload.
void RegisterGrpcRepository(net::GrpcServer& server, const std::shared_ptr<Front>& front);

}  // namespace slipway::api::oip
