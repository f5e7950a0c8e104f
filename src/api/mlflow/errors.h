// SPDX-License-Identifier: Apache-2.0
// How a Status looks to an MLflow client: {"error_code","message"} and its HTTP status. Codes that
// its client would retry (429 and 5xx) are only given where trying again can help.
#pragma once

#include "base/status.h"
#include "net/http.h"

namespace slipway::api::mlflow {

net::HttpResponse ErrorResponse(const base::Status& status);
net::HttpResponse NoSuchEndpoint(const net::HttpRequest& request);

}  // namespace slipway::api::mlflow
