// SPDX-License-Identifier: Apache-2.0
// A prediction over REST: routes in, answers out.
#include <charconv>
#include <memory>
#include <optional>
#include <utility>

#include "api/oip/oip.h"
#include "api/oip/request_json.h"
#include "api/oip/response_json.h"
#include "base/json.h"
#include "slipway_build_config.h"

namespace slipway::api::oip {
namespace {

using base::Status;
using net::HttpRequest;
using net::HttpResponse;
using net::Respond;
using serving::Predictor;

constexpr std::string_view kLengthHeader = "Inference-Header-Content-Length";

// The one place that knows how a failure looks on this wire.
HttpResponse ErrorAnswer(const Status& status) {
  std::string body = "{\"error\":";
  base::AppendJsonString(body, ErrorText(status));
  const int code = status.reason() == "json_too_large" ? 413 : net::HttpStatusOf(status.code());
  HttpResponse response = HttpResponse::Json(code, body + "}");
  if (code == 429 || code == 503) response.SetHeader("Retry-After", "1");
  return response;
}

class Rest {
 public:
  Rest(Predictor& predictor, OipSettings settings, Ready ready)
      : predictor_(predictor), settings_(std::move(settings)), ready_(std::move(ready)) {}

  static HttpResponse ServerMetadata() {
    return HttpResponse::Json(200, R"({"name":"slipway","version":")" SLIPWAY_VERSION
                                   R"(","extensions":["binary_tensor_data","parameters"]})");
  }
  HttpResponse ServerReady() const {
    const bool ready = ready_();
    HttpResponse response =
        HttpResponse::Json(ready ? 200 : 503, ready ? R"({"ready":true})" : R"({"ready":false})");
    if (!ready) response.SetHeader("Retry-After", "1");
    return response;
  }
  // What a path names: an endpoint, and perhaps a version.
  void Metadata(const HttpRequest& request, bool versioned, Respond respond) const;
  void ModelReady(const HttpRequest& request, bool versioned, Respond respond) const;
  void Infer(HttpRequest request, bool versioned, const Respond& respond) const;

 private:
  void Predict(InferCall call, Respond respond) const;
  void InferRaw(std::shared_ptr<const std::string> body, serving::PredictCall head,
                const Respond& respond) const;

  Predictor& predictor_;
  const OipSettings settings_;
  const Ready ready_;
};

base::Result<std::optional<int64_t>> VersionOf(const HttpRequest& request, bool versioned) {
  if (!versioned) return std::optional<int64_t>();
  return std::optional<int64_t>(TRY(ParseVersion(request.GetParam("version"))));
}

void Rest::Metadata(const HttpRequest& request, bool versioned, Respond respond) const {
  const auto version = VersionOf(request, versioned);
  if (!version.ok()) return respond(ErrorAnswer(version.status()));
  predictor_.Describe(
      request.GetParam("model"), *version,
      [respond = std::move(respond)](const base::Result<Predictor::ModelInfo>& info) {
        respond(info.ok() ? HttpResponse::Json(200, EncodeMetadata(*info))
                          : ErrorAnswer(info.status()));
      });
}

void Rest::ModelReady(const HttpRequest& request, bool versioned, Respond respond) const {
  const auto version = VersionOf(request, versioned);
  if (!version.ok()) return respond(ErrorAnswer(version.status()));
  predictor_.Describe(
      request.GetParam("model"), *version,
      [respond = std::move(respond)](const base::Result<Predictor::ModelInfo>& info) {
        respond(info.ok() ? HttpResponse::Json(200, R"({"ready":true})")
                          : ErrorAnswer(info.status()));
      });
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
  serving::PredictCall head;
  head.started_ns = base::MonotonicNanos();
  const auto version = VersionOf(request, versioned);
  if (!version.ok()) return respond(ErrorAnswer(version.status()));
  const auto json_bytes = JsonBytes(request);
  if (!json_bytes.ok()) return respond(ErrorAnswer(json_bytes.status()));
  head.endpoint = request.GetParam("model");
  head.version = *version;
  head.key = request.GetHeader(kKeyName);
  const auto body = std::make_shared<const std::string>(std::move(request.body));
  if (*json_bytes && **json_bytes == 0) return InferRaw(body, std::move(head), respond);
  auto call = DecodeInfer(body, *json_bytes);
  if (!call.ok()) return respond(ErrorAnswer(call.status()));
  call->call.endpoint = std::move(head.endpoint);
  call->call.version = head.version;
  call->call.started_ns = head.started_ns;
  if (call->call.key.empty()) call->call.key = std::move(head.key);
  Predict(std::move(call).TakeValue(), respond);
}

void Rest::InferRaw(std::shared_ptr<const std::string> body, serving::PredictCall head,
                    const Respond& respond) const {
  auto shared_head = std::make_shared<serving::PredictCall>(std::move(head));
  predictor_.Describe(
      shared_head->endpoint, shared_head->version,
      [this, body, shared_head, respond](const base::Result<Predictor::ModelInfo>& info) {
        if (!info.ok()) return respond(ErrorAnswer(info.status()));
        auto call = DecodeRawInfer(body, info->description);
        if (!call.ok()) return respond(ErrorAnswer(call.status()));
        shared_head->request = std::move(call->call.request);
        call->call = std::move(*shared_head);
        Predict(std::move(call).TakeValue(), respond);
      });
}

void Rest::Predict(InferCall call, Respond respond) const {
  struct Waiting {
    ResponseShape shape;
    Respond respond;
  };
  auto waiting = std::make_shared<Waiting>();
  waiting->shape = {call.call.request_id, call.call.endpoint, call.binary_outputs,
                    call.call.request.outputs, std::move(call.output_binary)};
  waiting->respond = std::move(respond);
  call.call.protocol = "oip_http";
  predictor_.Predict(std::move(call.call), [this, waiting](const serving::PredictAnswer& answer) {
    if (!answer.status.ok()) return waiting->respond(ErrorAnswer(answer.status));
    auto response = EncodeInfer(waiting->shape, answer, settings_);
    waiting->respond(response.ok() ? std::move(response).TakeValue()
                                   : ErrorAnswer(response.status()));
  });
}

}  // namespace

void Describe(base::Schema& schema, OipSettings& settings) {
  schema.AddChoice(
      "oip.non_finite", &settings.non_finite,
      "NaN and infinities in JSON answers of the Open Inference Protocol: as strings, or refused.",
      {"string", "error"});
}

void Register(net::Router& router, Predictor& predictor, const OipSettings& settings, Ready ready) {
  const auto rest = std::make_shared<const Rest>(predictor, settings, std::move(ready));
  router.Add("GET", "/v2",
             [](const HttpRequest&, const Respond& respond) { respond(Rest::ServerMetadata()); });
  router.Add("GET", "/v2/health/live", [](const HttpRequest&, const Respond& respond) {
    respond(HttpResponse::Json(200, R"({"live":true})"));
  });
  router.Add("GET", "/v2/health/ready",
             [rest](const HttpRequest&, const Respond& respond) { respond(rest->ServerReady()); });
  for (const bool versioned : {false, true}) {
    const std::string model =
        versioned ? "/v2/models/{model}/versions/{version}" : "/v2/models/{model}";
    router.Add("GET", model, [rest, versioned](const HttpRequest& request, Respond respond) {
      rest->Metadata(request, versioned, std::move(respond));
    });
    router.Add("GET", model + "/ready",
               [rest, versioned](const HttpRequest& request, Respond respond) {
                 rest->ModelReady(request, versioned, std::move(respond));
               });
    router.Add("POST", model + "/infer",
               [rest, versioned](HttpRequest request, const Respond& respond) {
                 rest->Infer(std::move(request), versioned, respond);
               });
  }
  router.OnNotFound("/v2", [](const HttpRequest& request) {
    return ErrorAnswer(
        base::NotFound("no_such_path", "there is no " + request.method + " " + request.path));
  });
}

}  // namespace slipway::api::oip
