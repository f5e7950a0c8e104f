// SPDX-License-Identifier: Apache-2.0
// What every prediction protocol over HTTP shares, whatever its bodies look like: which headers a
// call is read from, which ones an answer gets, how a failure is told.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "net/http.h"
#include "serving/predict.h"

namespace slipway::serving {

// Fills what headers say: slipway-key, slipway-caller, X-Request-Id; and whether the caller has
// gone.
void ReadHeaders(const net::HttpRequest& request, std::string_view protocol, PredictCall& call);

// slipway-prediction-id, slipway-model-version, slipway-arm.
void NameVersion(const PredictAnswer& answer, net::HttpResponse& response);

// "field: message", or the message alone.
std::string MessageOf(const base::Status& status);

// `body` as JSON; with Retry-After where the caller may come again (429, 503).
net::HttpResponse FailureAnswer(int http_status, std::string body, const base::Status& status);

}  // namespace slipway::serving
