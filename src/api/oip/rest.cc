// SPDX-License-Identifier: Apache-2.0
// A prediction over REST: routes in, answers out.
#include "api/oip/rest.h"

#include <charconv>
#include <memory>
#include <optional>
#include <utility>

#include "api/oip/grpc_calls.h"
#include "api/oip/oip.h"
#include "api/oip/request_json.h"
#include "api/oip/response_json.h"
#include "base/json.h"
#include "net/retry_after.h"
#include "slipway_build_config.h"

namespace slipway::api::oip {

using base::Status;
using net::HttpRequest;
using net::HttpResponse;
using net::Respond;
using serving::Predictor;

// The one place that knows how a failure looks on this wire.
HttpResponse ErrorAnswer(const Status& status) {
  std::string body = "{\"error\":";
  base::AppendJsonString(body, ErrorText(status));
  int code = net::HttpStatusOf(status.code());
  if (status.reason() == "json_too_large") code = 413;
  if (status.code() == base::Code::kUnimplemented) code = 400;  // the caller's to ask otherwise
  HttpResponse response = HttpResponse::Json(code, body + "}");
  if (code == 429 || code == 503)
    response.SetHeader("Retry-After", std::to_string(net::RetryAfterSeconds(status)));
  return response;
}

base::Result<std::optional<int64_t>> VersionOf(const HttpRequest& request, bool versioned) {
  if (!versioned) return std::optional<int64_t>();
  return std::optional<int64_t>(TRY(ParseVersion(request.GetParam("version"))));
}

base::Result<serving::PredictCall> HeadOf(const HttpRequest& request, bool versioned) {
  serving::PredictCall head;
  head.started_ns = base::MonotonicNanos() - request.waited_ns;
  head.version = TRY(VersionOf(request, versioned));
  head.endpoint = request.GetParam("model");
  head.key = request.GetHeader(kKeyName);
  head.caller = request.GetHeader(kCallerName);
  head.protocol = "oip_http";
  head.cancelled = request.gone;
  return head;
}

void TakeHead(serving::PredictCall head, InferCall& call) {
  call.call.endpoint = std::move(head.endpoint);
  call.call.version = head.version;
  call.call.started_ns = head.started_ns;
  call.call.caller = std::move(head.caller);
  call.call.protocol = std::move(head.protocol);
  call.call.cancelled = std::move(head.cancelled);
  if (call.call.key.empty()) call.call.key = std::move(head.key);
}

namespace {

constexpr std::string_view kLengthHeader = "Inference-Header-Content-Length";

class Rest {
 public:
  explicit Rest(std::shared_ptr<Front> front) : front_(std::move(front)) {}

  HttpResponse ServerReady() const {
    const bool ready = front_->ready();
    HttpResponse response =
        HttpResponse::Json(ready ? 200 : 503, ready ? R"({"ready":true})" : R"({"ready":false})");
    if (!ready) response.SetHeader("Retry-After", "1");
    return response;
  }
  // What a path names: an endpoint, and perhaps a version.
  template <typename Encode>  // const ModelInfo& -> body
  void Describe(const HttpRequest& request, bool versioned, Respond respond, Encode encode) const {
    const auto version = VersionOf(request, versioned);
    if (!version.ok()) return respond(ErrorAnswer(version.status()));
    front_->predictor.Describe(
        request.GetParam("model"), *version,
        [respond = std::move(respond), encode](const base::Result<Predictor::ModelInfo>& info) {
          respond(info.ok() ? HttpResponse::Json(200, encode(*info)) : ErrorAnswer(info.status()));
        });
  }
  void Infer(HttpRequest request, bool versioned, const Respond& respond) const;

 private:
  void Predict(InferCall call, Respond respond) const;
  void InferRaw(std::shared_ptr<const std::string> body, serving::PredictCall head,
                const Respond& respond) const;

  const std::shared_ptr<Front> front_;
};

std::string ServerMetadata() {
  base::Json extensions = base::Json::MakeArray();
  for (const std::string_view one : kExtensions) extensions.Append(one);
  return base::Json::MakeObject({{"name", "slipway"},
                                 {"version", SLIPWAY_VERSION},
                                 {"extensions", std::move(extensions)}})
      .Dump();
}

base::Result<std::optional<size_t>> JsonBytes(const HttpRequest& request) {
  const std::string_view text = request.GetHeader(kLengthHeader);
  if (text.empty()) return std::optional<size_t>();
  size_t bytes = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bytes);
  if (error != std::errc() || end != text.data() + text.size()) {
    return base::InvalidArgument(std::string(kLengthHeader),
                                 "expected a number of bytes, got '" + std::string(text) + "'");
  }
  return std::optional<size_t>(bytes);
}

void Rest::Infer(HttpRequest request, bool versioned, const Respond& respond) const {
  auto head = HeadOf(request, versioned);
  if (!head.ok()) return respond(ErrorAnswer(head.status()));
  const auto json_bytes = JsonBytes(request);
  if (!json_bytes.ok()) return respond(ErrorAnswer(json_bytes.status()));
  std::string address = AddressOf(std::move(request.remote_address));
  const auto body = std::make_shared<const std::string>(std::move(request.body));
  if (*json_bytes && **json_bytes == 0) {
    if (head->caller.empty()) head->caller = std::move(address);
    return InferRaw(body, std::move(head).TakeValue(), respond);
  }
  auto call = DecodeInfer(body, *json_bytes, {front_->regions, address});
  if (!call.ok()) return respond(ErrorAnswer(call.status()));
  if (head->caller.empty()) head->caller = std::move(address);
  TakeHead(std::move(head).TakeValue(), *call);
  Predict(std::move(call).TakeValue(), respond);
}

void Rest::InferRaw(std::shared_ptr<const std::string> body, serving::PredictCall head,
                    const Respond& respond) const {
  auto shared_head = std::make_shared<serving::PredictCall>(std::move(head));
  front_->predictor.Describe(
      shared_head->endpoint, shared_head->version,
      [this, body, shared_head, respond](const base::Result<Predictor::ModelInfo>& info) {
        if (!info.ok()) return respond(ErrorAnswer(info.status()));
        auto call = DecodeRawInfer(body, info->description);
        if (!call.ok()) return respond(ErrorAnswer(call.status()));
        TakeHead(std::move(*shared_head), *call);
        Predict(std::move(call).TakeValue(), respond);
      });
}

void Rest::Predict(InferCall call, Respond respond) const {
  struct Waiting {
    ResponseShape shape;
    int64_t started_ns;
    bool traced;
    Respond respond;
  };
  auto waiting = std::make_shared<Waiting>();
  waiting->shape = {call.call.request_id, call.call.endpoint, std::move(call.wishes)};
  waiting->started_ns = call.call.started_ns;
  waiting->traced = front_->tracer.Wants(call.call.endpoint);
  waiting->respond = std::move(respond);
  front_->predictor.Predict(
      std::move(call.call), [front = front_.get(), waiting](serving::PredictAnswer answer) {
        const ResponseShape& shape = waiting->shape;
        Status status = answer.status;
        if (status.ok()) status = FulfilWishes(shape.wishes, answer);
        auto response = status.ok() ? EncodeInfer(shape, answer, front->settings)
                                    : base::Result<HttpResponse>(std::move(status));
        waiting->respond(response.ok() ? std::move(response).TakeValue()
                                       : ErrorAnswer(response.status()));
        if (waiting->traced)
          front->tracer.Record(shape.endpoint, shape.id, waiting->started_ns, answer);
      });
}

}  // namespace

void Describe(base::Schema& schema, OipSettings& settings) {
  schema.AddChoice(
      "oip.non_finite", &settings.non_finite,
      "NaN and infinities in JSON answers of the Open Inference Protocol: as strings, or refused.",
      {"string", "error"});
  schema.AddChoice("oip.shared_memory", &settings.shared_memory,
                   "Who may pass tensors in POSIX shared memory of this machine: callers at a "
                   "loopback address, all, or nobody.",
                   {"loopback", "on", "off"});
}

void Register(net::Router& router, net::GrpcServer& grpc, OipParts parts) {
  const auto front = std::make_shared<Front>(std::move(parts));
  RegisterRest(router, front);
  RegisterGrpc(grpc, front);
}

void RegisterRest(net::Router& router, const std::shared_ptr<Front>& front) {
  const auto rest = std::make_shared<const Rest>(front);
  router.Add("GET", "/v2", [](const HttpRequest&, const Respond& respond) {
    respond(HttpResponse::Json(200, ServerMetadata()));
  });
  router.Add("GET", "/v2/health/live", [](const HttpRequest&, const Respond& respond) {
    respond(HttpResponse::Json(200, R"({"live":true})"));
  });
  router.Add("GET", "/v2/health/ready",
             [rest](const HttpRequest&, const Respond& respond) { respond(rest->ServerReady()); });
  for (const bool versioned : {false, true}) {
    const std::string model =
        versioned ? "/v2/models/{model}/versions/{version}" : "/v2/models/{model}";
    router.Add("GET", model, [rest, versioned](const HttpRequest& request, Respond respond) {
      rest->Describe(request, versioned, std::move(respond), EncodeMetadata);
    });
    router.Add("GET", model + "/config",
               [rest, front, versioned](const HttpRequest& request, Respond respond) {
                 rest->Describe(request, versioned, std::move(respond), [front](const auto& info) {
                   return repository::TritonConfigJson(front->Config(info)).Dump();
                 });
               });
    router.Add("GET", model + "/ready",
               [rest, versioned](const HttpRequest& request, Respond respond) {
                 rest->Describe(request, versioned, std::move(respond),
                                [](const auto&) { return std::string(R"({"ready":true})"); });
               });
    router.Add("POST", model + "/infer",
               [rest, versioned](HttpRequest request, const Respond& respond) {
                 rest->Infer(std::move(request), versioned, respond);
               });
  }
  RegisterGenerate(router, front);
  RegisterControl(router, front);
  if (front->repository != nullptr) RegisterRepository(router, front);
  router.OnNotFound("/v2", [](const HttpRequest& request) {
    return ErrorAnswer(
        base::NotFound("no_such_path", "there is no " + request.method + " " + request.path));
  });
}

}  // namespace slipway::api::oip
