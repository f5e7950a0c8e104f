// SPDX-License-Identifier: Apache-2.0
// A prediction by the generate extension: one answer, or as an event stream as many as come.
#include <atomic>
#include <mutex>
#include <utility>

#include "api/oip/generate.h"
#include "api/oip/rest.h"
#include "base/json.h"

namespace slipway::api::oip {
namespace {

using net::HttpRequest;
using net::HttpResponse;
using net::Respond;
using serving::PredictAnswer;
using serving::Predictor;

// The events of one answer. They may come before the server has made the place where they go.
class Events {
 public:
  explicit Events(std::shared_ptr<std::atomic<bool>> gone) : gone_(std::move(gone)) {}

  void Attach(std::shared_ptr<net::EventSink> sink) {
    const std::lock_guard lock(mutex_);
    sink_ = std::move(sink);
    for (std::string& piece : std::exchange(waiting_, {})) Pass(std::move(piece));
    if (ended_) sink_->Close();
  }
  void Send(const std::string& json) {
    const std::lock_guard lock(mutex_);
    std::string piece = "data: " + json + "\n\n";
    if (sink_ == nullptr) {
      waiting_.push_back(std::move(piece));
    } else {
      Pass(std::move(piece));
    }
  }
  void End() {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    if (sink_ != nullptr) sink_->Close();
  }

 private:
  void Pass(std::string piece) {
    if (!sink_->Send(std::move(piece))) gone_->store(true, std::memory_order_relaxed);
  }

  const std::shared_ptr<std::atomic<bool>> gone_;  // stops the model when nobody reads
  std::mutex mutex_;
  std::shared_ptr<net::EventSink> sink_;
  std::vector<std::string> waiting_;
  bool ended_ = false;
};

// One request, whose answers come one at a time.
struct Generation {
  Respond respond;
  std::string id;
  std::string endpoint;
  std::shared_ptr<std::atomic<bool>> gone = std::make_shared<std::atomic<bool>>(false);
  std::shared_ptr<Events> events;
  std::optional<PredictAnswer> only;
};

bool IsEmptyEnd(const PredictAnswer& answer, bool last) {
  return last && answer.status.ok() && answer.response.outputs.empty();
}

// The first answer decides the status; what fails later is an event.
void PassOn(Generation& to, const PredictAnswer& answer, bool last) {
  if (to.events == nullptr && !answer.status.ok()) return to.respond(ErrorAnswer(answer.status));
  if (to.events == nullptr) {
    to.events = std::make_shared<Events>(to.gone);
    HttpResponse response;
    response.headers.push_back({"Content-Type", "text/event-stream; charset=utf-8"});
    response.headers.push_back({"Cache-Control", "no-cache"});
    response.push = [events = to.events](std::shared_ptr<net::EventSink> sink) {
      events->Attach(std::move(sink));
    };
    to.respond(std::move(response));
  }
  if (!answer.status.ok()) {
    to.events->Send(ErrorAnswer(answer.status).body);
  } else if (!IsEmptyEnd(answer, last)) {
    to.events->Send(EncodeGenerate(to.id, to.endpoint, answer));
  }
  if (last) to.events->End();
}

void TakeOnly(Generation& to, PredictAnswer answer, bool last) {
  if (!answer.status.ok()) return to.respond(ErrorAnswer(answer.status));
  const bool empty_end = IsEmptyEnd(answer, last);
  if (to.only && !empty_end) {
    to.gone->store(true, std::memory_order_relaxed);
    to.respond(ErrorAnswer(base::FailedPrecondition(
        "several_answers",
        "the model gives more than one answer to this request: call generate_stream")));
  }
  if (!to.only) to.only = std::move(answer);
  if (last) to.respond(HttpResponse::Json(200, EncodeGenerate(to.id, to.endpoint, *to.only)));
}

void Generate(Front& front, const HttpRequest& request, bool versioned, bool stream,
              const Respond& respond) {
  auto head = HeadOf(request, versioned);
  if (!head.ok()) return respond(ErrorAnswer(head.status()));
  if (head->caller.empty()) head->caller = AddressOf(request.remote_address);
  auto shared_head = std::make_shared<serving::PredictCall>(std::move(head).TakeValue());
  front.predictor.Describe(shared_head->endpoint, shared_head->version,
                           [&front, shared_head, body = request.body, stream,
                            respond](const base::Result<Predictor::ModelInfo>& info) {
                             if (!info.ok()) return respond(ErrorAnswer(info.status()));
                             auto call = DecodeGenerate(body, info->description);
                             if (!call.ok()) return respond(ErrorAnswer(call.status()));
                             TakeHead(std::move(*shared_head), *call);
                             auto to = std::make_shared<Generation>();
                             to->respond = respond;
                             to->id = call->call.request_id;
                             to->endpoint = call->call.endpoint;
                             call->call.cancelled = to->gone;
                             front.predictor.PredictStream(
                                 std::move(call->call),
                                 [to, stream](PredictAnswer answer, bool last) {
                                   if (stream) return PassOn(*to, answer, last);
                                   TakeOnly(*to, std::move(answer), last);
                                 });
                           });
}

}  // namespace

void RegisterGenerate(net::Router& router, const std::shared_ptr<Front>& front) {
  for (const bool versioned : {false, true}) {
    for (const bool stream : {false, true}) {
      const std::string model =
          versioned ? "/v2/models/{model}/versions/{version}" : "/v2/models/{model}";
      router.Add("POST", model + (stream ? "/generate_stream" : "/generate"),
                 [front, versioned, stream](const HttpRequest& request, const Respond& respond) {
                   Generate(*front, request, versioned, stream, respond);
                 });
    }
  }
}

}  // namespace slipway::api::oip
