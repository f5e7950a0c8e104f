// SPDX-License-Identifier: Apache-2.0
// A prediction, at both ends of api/<protocol>: headers in, headers out.
#include "serving/http_call.h"

#include <string>
#include <string_view>
#include <utility>

#include "base/status.h"
#include "net/http.h"
#include "net/retry_after.h"
#include "serving/predict.h"

namespace slipway::serving {

void ReadHeaders(const net::HttpRequest& request, std::string_view protocol, PredictCall& call) {
  call.key = request.GetHeader("slipway-key");
  call.caller = request.GetHeader("slipway-caller");
  call.request_id = request.GetHeader("X-Request-Id");
  call.protocol = protocol;
  call.cancelled = request.gone;
}

void NameVersion(const PredictAnswer& answer, net::HttpResponse& response) {
  response.headers.push_back({"slipway-prediction-id", answer.prediction_id});
  response.headers.push_back({"slipway-model-version", std::to_string(answer.version)});
  response.headers.push_back({"slipway-arm", answer.arm});
}

std::string MessageOf(const base::Status& status) {
  return status.field().empty() ? status.message() : status.field() + ": " + status.message();
}

net::HttpResponse FailureAnswer(int http_status, std::string body, const base::Status& status) {
  net::HttpResponse response = net::HttpResponse::Json(http_status, std::move(body));
  if (http_status == 429 || http_status == 503)
    response.SetHeader("Retry-After", std::to_string(net::RetryAfterSeconds(status)));
  return response;
}

}  // namespace slipway::serving
