// SPDX-License-Identifier: Apache-2.0
// A prediction by feature names: the whole protocol.
#include "api/predict/predict.h"

#include <charconv>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "inference/json_tensors.h"
#include "serving/http_call.h"

namespace slipway::api::predict {
namespace {

using base::InvalidArgument;
using base::Json;
using inference::NamedTensor;
using net::HttpRequest;
using net::HttpResponse;
using net::Respond;
using serving::Predictor;

struct Body {
  inference::Request request;
  bool many = false;  // a list was sent: a list is answered
};

base::Result<Body> Decode(std::string_view text, const inference::ModelDescription& description) {
  Json json = TRY(inference::ParseJsonBody(text));
  Body body;
  body.many = json.is_array();
  if (!body.many && !json.is_object()) {
    return InvalidArgument("body", "expected an object of features or a list of them, got " +
                                       std::string(json.TypeName()));
  }
  if (!body.many) json = Json::MakeArray({std::move(json)});
  body.request = TRY(inference::RequestFromRecords(json, "body", description));
  return body;
}

base::Result<std::string> Encode(const serving::PredictAnswer& answer, bool many) {
  const std::vector<NamedTensor>& outputs = answer.response.outputs;
  const int64_t rows = outputs.empty() ? 0 : outputs[0].tensor.rows();
  for (const NamedTensor& output : outputs) {
    if (output.tensor.rows() != rows || (!many && rows != 1)) {
      return base::Status(base::Code::kUnimplemented, "ragged_output",
                          "output '" + output.name +
                              "' has no value for each row: call the model by /v2/models/" +
                              answer.model + "/infer");
    }
  }
  std::string out = many ? "{\"predictions\":[" : "{\"prediction\":";
  for (int64_t row = 0; row < rows; ++row) {
    if (row > 0) out += ',';
    inference::AppendRecordJson(out, outputs, row);
  }
  if (many) out += ']';
  out += ",\"prediction_id\":";
  base::AppendJsonString(out, answer.prediction_id);
  out += ",\"model\":";
  base::AppendJsonString(out, answer.model);
  out += ",\"version\":" + std::to_string(answer.version) + ",\"arm\":";
  base::AppendJsonString(out, answer.arm);
  return out + "}";
}

base::Result<std::optional<int64_t>> VersionOf(const HttpRequest& request) {
  const auto text = request.GetQuery("version");
  if (!text) return std::optional<int64_t>();
  int64_t version = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), version);
  if (error != std::errc() || end != text->data() + text->size() || version < 1)
    return InvalidArgument("version", "expected a number from 1, got '" + *text + "'");
  return std::optional(version);
}

void Run(Predictor& predictor, const HttpRequest& request, std::optional<int64_t> version,
         int64_t started_ns, const Predictor::ModelInfo& info, const Respond& respond) {
  auto body = Decode(request.body, info.description);
  if (!body.ok()) return respond(net::ErrorResponse(body.status()));
  serving::PredictCall call;
  call.endpoint = info.endpoint;
  call.version = version;
  call.request = std::move(body->request);
  serving::ReadHeaders(request, "predict", call);
  call.started_ns = started_ns;
  predictor.Predict(std::move(call),
                    [respond, many = body->many](const serving::PredictAnswer& answer) {
                      if (!answer.status.ok()) return respond(net::ErrorResponse(answer.status));
                      auto text = Encode(answer, many);
                      respond(text.ok() ? HttpResponse::Json(200, std::move(*text))
                                        : net::ErrorResponse(text.status()));
                    });
}

}  // namespace

void Register(net::Router& router, Predictor& predictor) {
  router.Add("POST", "/predict/{endpoint}", [&predictor](HttpRequest request, Respond respond) {
    const int64_t started_ns = base::MonotonicNanos();
    const auto version = VersionOf(request);
    if (!version.ok()) return respond(net::ErrorResponse(version.status()));
    auto shared = std::make_shared<HttpRequest>(std::move(request));
    predictor.Describe(
        shared->GetParam("endpoint"), *version,
        [&predictor, shared, version = *version, started_ns,
         respond = std::move(respond)](const base::Result<Predictor::ModelInfo>& info) {
          if (!info.ok()) return respond(net::ErrorResponse(info.status()));
          Run(predictor, *shared, version, started_ns, *info, respond);
        });
  });
}

}  // namespace slipway::api::predict
