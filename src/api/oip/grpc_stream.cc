// SPDX-License-Identifier: Apache-2.0
// Predictions over one gRPC stream: several requests at once, each with any number of answers.
#include <atomic>
#include <mutex>
#include <utility>

#include "api/oip/grpc_calls.h"
#include "api/oip/grpc_messages.h"
#include "api/oip/inference.pb.h"

namespace slipway::api::oip {
namespace {

using ::inference::ModelInferRequest;
using ::inference::ModelStreamInferResponse;
using serving::PredictAnswer;

// Requests of one stream that may be under way; the next stays with the caller.
constexpr int kMostUnderWay = 64;

class InferStream final : public net::GrpcStreamHandler,
                          public std::enable_shared_from_this<InferStream> {
 public:
  InferStream(std::shared_ptr<Front> front, std::shared_ptr<net::GrpcStream> stream)
      : front_(std::move(front)), stream_(std::move(stream)), caller_(CallerOf(*stream_)) {
    stream_->Read();
  }

  void OnMessage(std::shared_ptr<google::protobuf::MessageLite> message) override;
  void OnEnd() override {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    if (under_way_ == 0) stream_->Finish(base::Status::Ok());
  }
  void OnGone() override { gone_->store(true, std::memory_order_relaxed); }

 private:
  struct Request {
    std::shared_ptr<ModelInferRequest> message;
    OutputWishes wishes;
    int64_t started_ns = 0;
    bool traced = false;
  };
  void Answer(const Request& request, PredictAnswer answer, bool last);
  void Send(const ModelInferRequest& request, const base::Status& status,
            ModelStreamInferResponse& response);
  void Done();

  const std::shared_ptr<Front> front_;
  const std::shared_ptr<net::GrpcStream> stream_;
  const GrpcCaller caller_;
  const std::shared_ptr<std::atomic<bool>> gone_ = std::make_shared<std::atomic<bool>>(false);
  std::mutex mutex_;  // over the members below
  int under_way_ = 0;
  bool waiting_ = false;  // to ask for the next message
  bool ended_ = false;    // by the caller
};

void InferStream::OnMessage(std::shared_ptr<google::protobuf::MessageLite> message) {
  auto request = std::make_shared<Request>();
  request->message = std::static_pointer_cast<ModelInferRequest>(std::move(message));
  {
    const std::lock_guard lock(mutex_);
    ++under_way_;
  }
  auto call = ReadCall(*front_, caller_, stream_->TimeLeft(), *request->message);
  if (!call.ok()) {
    ModelStreamInferResponse response;
    Send(*request->message, call.status(), response);
    Done();
  } else {
    request->wishes = std::move(call->wishes);
    request->started_ns = call->call.started_ns;
    request->traced = front_->tracer.Wants(call->call.endpoint);
    call->call.cancelled = gone_;
    front_->predictor.PredictStream(std::move(call->call), [self = shared_from_this(), request](
                                                               PredictAnswer answer, bool last) {
      self->Answer(*request, std::move(answer), last);
    });
  }
  {
    const std::lock_guard lock(mutex_);
    waiting_ = under_way_ >= kMostUnderWay;
    if (waiting_) return;
  }
  stream_->Read();
}

void InferStream::Answer(const Request& request, PredictAnswer answer, bool last) {
  const ModelInferRequest& message = *request.message;
  base::Status status = answer.status;
  if (status.ok()) status = FulfilWishes(request.wishes, answer);
  ModelStreamInferResponse response;
  // Nothing but the end of the answers is sent only to those who ask for it.
  const bool empty_end = last && status.ok() && answer.response.outputs.empty();
  if (status.ok() && (!empty_end || request.wishes.empty_final)) {
    EncodeAnswer(message.id(), message.model_name(), request.wishes, answer,
                 *response.mutable_infer_response());
  }
  if (!empty_end || request.wishes.empty_final) {
    (*response.mutable_infer_response()->mutable_parameters())["triton_final_response"]
        .set_bool_param(last);
    Send(message, status, response);
  }
  if (!last) return;
  if (request.traced)
    front_->tracer.Record(message.model_name(), message.id(), request.started_ns, answer);
  Done();
}

// A failure says whose it is by the request's id.
void InferStream::Send(const ModelInferRequest& request, const base::Status& status,
                       ModelStreamInferResponse& response) {
  if (!status.ok()) {
    response.set_error_message(ErrorText(status));
    response.mutable_infer_response()->set_id(request.id());
  }
  if (!stream_->Write(response)) gone_->store(true, std::memory_order_relaxed);
}

void InferStream::Done() {
  bool read = false;
  {
    const std::lock_guard lock(mutex_);
    --under_way_;
    if (ended_ && under_way_ == 0) return stream_->Finish(base::Status::Ok());
    read = std::exchange(waiting_, false);
  }
  if (read) stream_->Read();
}

}  // namespace

void RegisterGrpcStream(net::GrpcServer& server, const std::shared_ptr<Front>& front) {
  server.AddStream<ModelInferRequest>(std::string(kServicePath) + "ModelStreamInfer",
                                      [front](std::shared_ptr<net::GrpcStream> stream) {
                                        return std::make_shared<InferStream>(front,
                                                                             std::move(stream));
                                      });
}

}  // namespace slipway::api::oip
