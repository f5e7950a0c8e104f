// SPDX-License-Identifier: Apache-2.0
// A prediction over gRPC: the methods of the service, on I/O threads, none of which ever waits.
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "api/oip/front.h"
#include "api/oip/grpc_calls.h"
#include "api/oip/grpc_messages.h"
#include "api/oip/inference.pb.h"
#include "base/clock.h"
#include "net/grpc_server.h"
#include "slipway_build_config.h"

namespace slipway::api::oip {

using ::inference::ModelInferRequest;
using ::inference::ModelInferResponse;
using serving::Predictor;

base::Status ToGrpc(const base::Status& status) {
  if (status.ok()) return status;
  return {status.code(), status.reason(), ErrorText(status)};
}

GrpcCaller CallerOf(const net::GrpcCall& call) {
  GrpcCaller caller;
  caller.address = AddressOf(call.peer());
  caller.key = call.GetMetadata(kKeyName);
  caller.name = call.GetMetadata(kCallerName);
  return caller;
}

base::Result<InferCall> ReadCall(const Front& front, const GrpcCaller& caller, int64_t time_left_us,
                                 ModelInferRequest& request) {
  const int64_t started_ns = base::MonotonicNanos();
  InferCall call = TRY(DecodeMessage(request, {front.regions, caller.address}));
  serving::PredictCall& predict = call.call;
  predict.protocol = "oip_grpc";
  predict.started_ns = started_ns;
  if (predict.key.empty()) predict.key = caller.key;
  predict.caller = caller.name.empty() ? caller.address : caller.name;
  if (predict.timeout_us == 0) predict.timeout_us = time_left_us;
  return call;
}

namespace {

void Infer(const std::shared_ptr<Front>& front,
           const net::GrpcUnary<ModelInferRequest, ModelInferResponse>& grpc) {
  auto call = ReadCall(*front, CallerOf(grpc.call()), grpc.call().TimeLeft(), grpc.request());
  if (!call.ok()) return grpc.Finish(ToGrpc(call.status()));
  call->call.cancelled = grpc.call().gone_flag();
  struct Waiting {
    net::GrpcUnary<ModelInferRequest, ModelInferResponse> grpc;
    OutputWishes wishes;
    int64_t started_ns;
    bool traced;
  };
  auto waiting =
      std::make_unique<Waiting>(Waiting{grpc, std::move(call->wishes), call->call.started_ns,
                                        front->tracer.Wants(call->call.endpoint)});
  // A bare pointer fits std::function without an allocation; the answer comes exactly once.
  front->predictor.Predict(
      std::move(call->call),
      [front = front.get(), waiting = waiting.release()](serving::PredictAnswer answer) {
        const std::unique_ptr<Waiting> own(waiting);
        const ModelInferRequest& request = own->grpc.request();
        base::Status status = answer.status;
        if (status.ok()) status = FulfilWishes(own->wishes, answer);
        if (status.ok()) {
          EncodeAnswer(request.id(), request.model_name(), own->wishes, answer,
                       own->grpc.response());
        }
        if (own->traced)
          front->tracer.Record(request.model_name(), request.id(), own->started_ns, answer);
        own->grpc.Finish(ToGrpc(status));
      });
}

// `answer`: Result<ModelInfo> -> Status of the call.
template <typename Call, typename Answer>
void Describe(Predictor& predictor, const Call& call, Answer answer) {
  std::optional<int64_t> number;
  if (!call.request().version().empty()) {
    const auto parsed = ParseVersion(call.request().version());
    if (!parsed.ok()) return call.Finish(ToGrpc(answer(parsed.status())));
    number = *parsed;
  }
  predictor.Describe(call.request().name(), number,
                     [call, answer](const base::Result<Predictor::ModelInfo>& info) {
                       call.Finish(ToGrpc(answer(info)));
                     });
}

void TellMetadata(const net::GrpcUnary<::inference::ServerMetadataRequest,
                                       ::inference::ServerMetadataResponse>& call) {
  call.response().set_name("slipway");
  call.response().set_version(SLIPWAY_VERSION);
  for (const std::string_view one : kExtensions) call.response().add_extensions(std::string(one));
  call.Finish(base::Status::Ok());
}

void TellModelReady(
    Predictor& predictor,
    const net::GrpcUnary<::inference::ModelReadyRequest, ::inference::ModelReadyResponse>& call) {
  Describe(predictor, call, [call](const base::Result<Predictor::ModelInfo>& info) {
    call.response().set_ready(info.ok());
    const bool unknown = !info.ok() && info.status().code() == base::Code::kNotFound;
    return info.ok() || unknown ? base::Status::Ok() : info.status();
  });
}

void TellModelMetadata(Predictor& predictor,
                       const net::GrpcUnary<::inference::ModelMetadataRequest,
                                            ::inference::ModelMetadataResponse>& call) {
  Describe(predictor, call, [call](const base::Result<Predictor::ModelInfo>& info) {
    if (info.ok()) EncodeMetadata(*info, call.response());
    return info.status();
  });
}

void TellModelConfig(
    const std::shared_ptr<Front>& front,
    const net::GrpcUnary<::inference::ModelConfigRequest, ::inference::ModelConfigResponse>& call) {
  Describe(front->predictor, call,
           [front, call](const base::Result<Predictor::ModelInfo>& info) -> base::Status {
             if (!info.ok()) return info.status();
             const std::string bytes = repository::TritonConfigBytes(front->Config(*info));
             if (call.response().mutable_config()->ParseFromString(bytes)) return {};
             return base::Internal("bad_message", "the configuration cannot be written");
           });
}

}  // namespace

void RegisterGrpc(net::GrpcServer& server, const std::shared_ptr<Front>& front) {
  const std::string service(kServicePath);
  server.AddUnary<::inference::ServerLiveRequest, ::inference::ServerLiveResponse>(
      service + "ServerLive", [](const auto& call) {
        call.response().set_live(true);
        call.Finish(base::Status::Ok());
      });
  server.AddUnary<::inference::ServerReadyRequest, ::inference::ServerReadyResponse>(
      service + "ServerReady", [front](const auto& call) {
        call.response().set_ready(front->ready());
        call.Finish(base::Status::Ok());
      });
  server.AddUnary<::inference::ServerMetadataRequest, ::inference::ServerMetadataResponse>(
      service + "ServerMetadata", TellMetadata);
  server.AddUnary<::inference::ModelReadyRequest, ::inference::ModelReadyResponse>(
      service + "ModelReady",
      [front](const auto& call) { TellModelReady(front->predictor, call); });
  server.AddUnary<::inference::ModelMetadataRequest, ::inference::ModelMetadataResponse>(
      service + "ModelMetadata",
      [front](const auto& call) { TellModelMetadata(front->predictor, call); });
  server.AddUnary<::inference::ModelConfigRequest, ::inference::ModelConfigResponse>(
      service + "ModelConfig", [front](const auto& call) { TellModelConfig(front, call); });
  server.AddUnary<ModelInferRequest, ModelInferResponse>(
      service + "ModelInfer", [front](const auto& call) { Infer(front, call); });
  RegisterGrpcStream(server, front);
  RegisterGrpcControl(server, front);
  if (front->repository != nullptr) RegisterGrpcRepository(server, front);
}

}  // namespace slipway::api::oip
