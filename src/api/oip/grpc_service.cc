// SPDX-License-Identifier: Apache-2.0
// A prediction over gRPC: the methods of the service, on I/O threads, none of which ever waits.
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "api/oip/grpc_messages.h"
#include "api/oip/inference.pb.h"
#include "api/oip/oip.h"
#include "base/clock.h"
#include "net/grpc_server.h"
#include "slipway_build_config.h"

namespace slipway::api::oip {
namespace {

using ::inference::ModelInferRequest;
using ::inference::ModelInferResponse;
using ::inference::ModelStreamInferResponse;
using serving::Predictor;

// The one place that knows how a failure looks on this wire. The codes are gRPC's own.
base::Status ToGrpc(const base::Status& status) {
  if (status.ok()) return status;
  return {status.code(), status.reason(), ErrorText(status)};
}

// Decodes, predicts, encodes; `done` is told how it went, and `response` holds the answer when it
// went well.
void Infer(Predictor& predictor, const net::GrpcCall& caller, ModelInferRequest& request,
           ModelInferResponse& response, std::function<void(base::Status)> done) {
  const int64_t started_ns = base::MonotonicNanos();
  auto call = DecodeMessage(request);
  if (!call.ok()) return done(call.status());
  serving::PredictCall& predict = call->call;
  predict.protocol = "oip_grpc";
  predict.started_ns = started_ns;
  if (predict.key.empty()) predict.key = std::string(caller.GetMetadata(kKeyName));
  if (predict.timeout_us == 0) predict.timeout_us = caller.TimeLeft();
  predictor.Predict(std::move(predict),
                    [&request, &response, raw = call->binary_outputs,
                     done = std::move(done)](const serving::PredictAnswer& answer) {
                      if (answer.status.ok())
                        EncodeAnswer(request.id(), request.model_name(), raw, answer, response);
                      done(answer.status);
                    });
}

// ModelStreamInfer: reads a request, answers it, reads the next.
class InferStream final : public net::GrpcStreamHandler,
                          public std::enable_shared_from_this<InferStream> {
 public:
  InferStream(Predictor& predictor, std::shared_ptr<net::GrpcStream> stream)
      : predictor_(predictor), stream_(std::move(stream)) {
    stream_->Read();
  }
  void OnMessage(std::shared_ptr<google::protobuf::MessageLite> message) override {
    request_ = std::static_pointer_cast<ModelInferRequest>(std::move(message));
    response_.Clear();
    Infer(predictor_, *stream_, *request_, *response_.mutable_infer_response(),
          [self = shared_from_this()](const base::Status& status) { self->Answer(status); });
  }
  void OnEnd() override { stream_->Finish(base::Status::Ok()); }

 private:
  void Answer(const base::Status& status) {
    if (!status.ok()) {
      response_.set_error_message(ErrorText(status));
      response_.mutable_infer_response()->set_id(request_->id());
    }
    stream_->Write(response_);
    stream_->Read();
  }

  Predictor& predictor_;
  std::shared_ptr<net::GrpcStream> stream_;
  std::shared_ptr<ModelInferRequest> request_;
  ModelStreamInferResponse response_;
};

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
  call.response().add_extensions("parameters");
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

}  // namespace

void AddGrpcMethods(net::GrpcServer& server, Predictor& predictor, const Ready& ready) {
  const std::string service = "/inference.GRPCInferenceService/";
  server.AddUnary<::inference::ServerLiveRequest, ::inference::ServerLiveResponse>(
      service + "ServerLive", [](const auto& call) {
        call.response().set_live(true);
        call.Finish(base::Status::Ok());
      });
  server.AddUnary<::inference::ServerReadyRequest, ::inference::ServerReadyResponse>(
      service + "ServerReady", [ready](const auto& call) {
        call.response().set_ready(ready());
        call.Finish(base::Status::Ok());
      });
  server.AddUnary<::inference::ServerMetadataRequest, ::inference::ServerMetadataResponse>(
      service + "ServerMetadata", TellMetadata);
  server.AddUnary<::inference::ModelReadyRequest, ::inference::ModelReadyResponse>(
      service + "ModelReady", [&predictor](const auto& call) { TellModelReady(predictor, call); });
  server.AddUnary<::inference::ModelMetadataRequest, ::inference::ModelMetadataResponse>(
      service + "ModelMetadata",
      [&predictor](const auto& call) { TellModelMetadata(predictor, call); });
  server.AddUnary<ModelInferRequest, ModelInferResponse>(
      service + "ModelInfer", [&predictor](const auto& call) {
        Infer(predictor, call.call(), call.request(), call.response(),
              [call](const base::Status& status) { call.Finish(ToGrpc(status)); });
      });
  server.AddStream<ModelInferRequest>(
      service + "ModelStreamInfer", [&predictor](std::shared_ptr<net::GrpcStream> stream) {
        return std::make_shared<InferStream>(predictor, std::move(stream));
      });
}

}  // namespace slipway::api::oip
