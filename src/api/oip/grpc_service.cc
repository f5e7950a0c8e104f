// SPDX-License-Identifier: Apache-2.0
// A prediction over gRPC: the service, on the library's callback threads, none of which ever waits.
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <utility>

#include "api/oip/grpc_messages.h"
#include "api/oip/inference.grpc.pb.h"
#include "api/oip/oip.h"
#include "slipway_build_config.h"

namespace slipway::api::oip {
namespace {

using ::inference::ModelInferRequest;
using ::inference::ModelInferResponse;
using ::inference::ModelStreamInferResponse;
using serving::Predictor;

// The one place that knows how a failure looks on this wire. The codes are gRPC's own.
grpc::Status ToGrpc(const base::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return {static_cast<grpc::StatusCode>(status.code()), ErrorText(status)};
}

// Microseconds until the caller gives up; 0: it named no time.
int64_t TimeLeft(const grpc::CallbackServerContext& context) {
  const auto deadline = context.deadline();
  const auto now = std::chrono::system_clock::now();
  if (deadline > now + std::chrono::hours(24)) return 0;
  return std::max<int64_t>(
      1, std::chrono::duration_cast<std::chrono::microseconds>(deadline - now).count());
}

std::string KeyOf(const grpc::CallbackServerContext& context) {
  const auto& metadata = context.client_metadata();
  const auto found = metadata.find({kKeyName.data(), kKeyName.size()});
  return found == metadata.end() ? std::string()
                                 : std::string(found->second.data(), found->second.size());
}

// Decodes, predicts, encodes; `done` is told how it went, and `response` holds the answer when it
// went well.
void Infer(Predictor& predictor, const grpc::CallbackServerContext& context,
           ModelInferRequest& request, ModelInferResponse& response,
           std::function<void(base::Status)> done) {
  const int64_t started_ns = base::MonotonicNanos();
  auto call = DecodeMessage(request);
  if (!call.ok()) return done(call.status());
  serving::PredictCall& predict = call->call;
  predict.protocol = "oip_grpc";
  predict.started_ns = started_ns;
  if (predict.key.empty()) predict.key = KeyOf(context);
  if (predict.timeout_us == 0) predict.timeout_us = TimeLeft(context);
  predictor.Predict(std::move(predict),
                    [&request, &response, raw = call->binary_outputs,
                     done = std::move(done)](const serving::PredictAnswer& answer) {
                      if (answer.status.ok())
                        EncodeAnswer(request.id(), request.model_name(), raw, answer, response);
                      done(answer.status);
                    });
}

// ModelStreamInfer: reads a request, answers it, reads the next. Deletes itself when the stream is
// over.
class InferStream final
    : public grpc::ServerBidiReactor<ModelInferRequest, ModelStreamInferResponse> {
 public:
  InferStream(Predictor& predictor, const grpc::CallbackServerContext& context)
      : predictor_(predictor), context_(context) {
    StartRead(&request_);
  }
  void OnReadDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);
    response_.Clear();
    Infer(predictor_, context_, request_, *response_.mutable_infer_response(),
          [this](const base::Status& status) {
            if (!status.ok()) {
              response_.set_error_message(ErrorText(status));
              response_.mutable_infer_response()->set_id(request_.id());
            }
            StartWrite(&response_);
          });
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::CANCELLED);
    request_.Clear();
    StartRead(&request_);
  }
  void OnDone() override { delete this; }

 private:
  Predictor& predictor_;
  const grpc::CallbackServerContext& context_;
  ModelInferRequest request_;
  ModelStreamInferResponse response_;
};

class Service final : public ::inference::GRPCInferenceService::CallbackService {
 public:
  Service(Predictor& predictor, Ready ready) : predictor_(predictor), ready_(std::move(ready)) {}

  grpc::ServerUnaryReactor* ServerLive(grpc::CallbackServerContext* context,
                                       const ::inference::ServerLiveRequest* /*request*/,
                                       ::inference::ServerLiveResponse* response) override {
    response->set_live(true);
    return Finished(*context, base::Status::Ok());
  }
  grpc::ServerUnaryReactor* ServerReady(grpc::CallbackServerContext* context,
                                        const ::inference::ServerReadyRequest* /*request*/,
                                        ::inference::ServerReadyResponse* response) override {
    response->set_ready(ready_());
    return Finished(*context, base::Status::Ok());
  }
  grpc::ServerUnaryReactor* ServerMetadata(grpc::CallbackServerContext* context,
                                           const ::inference::ServerMetadataRequest* /*request*/,
                                           ::inference::ServerMetadataResponse* response) override {
    response->set_name("slipway");
    response->set_version(SLIPWAY_VERSION);
    response->add_extensions("parameters");
    return Finished(*context, base::Status::Ok());
  }
  grpc::ServerUnaryReactor* ModelReady(grpc::CallbackServerContext* context,
                                       const ::inference::ModelReadyRequest* request,
                                       ::inference::ModelReadyResponse* response) override {
    return Describe(*context, request->name(), request->version(),
                    [response](const base::Result<Predictor::ModelInfo>& info) {
                      response->set_ready(info.ok());
                      const bool unknown =
                          !info.ok() && info.status().code() == base::Code::kNotFound;
                      return info.ok() || unknown ? base::Status::Ok() : info.status();
                    });
  }
  grpc::ServerUnaryReactor* ModelMetadata(grpc::CallbackServerContext* context,
                                          const ::inference::ModelMetadataRequest* request,
                                          ::inference::ModelMetadataResponse* response) override {
    return Describe(*context, request->name(), request->version(),
                    [response](const base::Result<Predictor::ModelInfo>& info) {
                      if (info.ok()) EncodeMetadata(*info, *response);
                      return info.status();
                    });
  }
  grpc::ServerUnaryReactor* ModelInfer(grpc::CallbackServerContext* context,
                                       const ModelInferRequest* request,
                                       ModelInferResponse* response) override {
    auto* reactor = context->DefaultReactor();
    // The library made this message for this call alone and lets go of it after Finish: taking
    // parts out of it is safe.
    auto& own = const_cast<ModelInferRequest&>(*request);
    Infer(predictor_, *context, own, *response,
          [reactor](const base::Status& status) { reactor->Finish(ToGrpc(status)); });
    return reactor;
  }
  grpc::ServerBidiReactor<ModelInferRequest, ModelStreamInferResponse>* ModelStreamInfer(
      grpc::CallbackServerContext* context) override {
    return new InferStream(predictor_, *context);
  }

 private:
  static grpc::ServerUnaryReactor* Finished(grpc::CallbackServerContext& context,
                                            const base::Status& status) {
    auto* reactor = context.DefaultReactor();
    reactor->Finish(ToGrpc(status));
    return reactor;
  }
  // `answer`: Result<ModelInfo> -> Status of the call.
  template <typename Answer>
  grpc::ServerUnaryReactor* Describe(grpc::CallbackServerContext& context, const std::string& name,
                                     const std::string& version, Answer answer) {
    auto* reactor = context.DefaultReactor();
    std::optional<int64_t> number;
    if (!version.empty()) {
      const auto parsed = ParseVersion(version);
      if (!parsed.ok()) {
        reactor->Finish(ToGrpc(answer(parsed.status())));
        return reactor;
      }
      number = *parsed;
    }
    predictor_.Describe(name, number,
                        [reactor, answer](const base::Result<Predictor::ModelInfo>& info) {
                          reactor->Finish(ToGrpc(answer(info)));
                        });
    return reactor;
  }

  Predictor& predictor_;
  const Ready ready_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeGrpcService(Predictor& predictor, Ready ready) {
  return std::make_unique<Service>(predictor, std::move(ready));
}

}  // namespace slipway::api::oip
