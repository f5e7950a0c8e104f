// SPDX-License-Identifier: Apache-2.0
// What the parts of the REST side share. Private to the room.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "api/oip/front.h"
#include "api/oip/infer.h"
#include "base/status.h"
#include "net/http.h"
#include "serving/predict.h"

namespace slipway::api::oip {

net::HttpResponse ErrorAnswer(const base::Status& status);
// The version in the path, where the route has one.
base::Result<std::optional<int64_t>> VersionOf(const net::HttpRequest& request, bool versioned);
// What the path and the headers say of a prediction.
base::Result<serving::PredictCall> HeadOf(const net::HttpRequest& request, bool versioned);
// Puts it into a call that was decoded from the body, which goes first where both say something.
void TakeHead(serving::PredictCall head, InferCall& call);

void RegisterRest(net::Router& router, const std::shared_ptr<Front>& front);
// generate and generate_stream: JSON with the inputs by name, answered the same way.
void RegisterGenerate(net::Router& router, const std::shared_ptr<Front>& front);
// Statistics, settings, shared memory.
void RegisterControl(net::Router& router, const std::shared_ptr<Front>& front);
// The index, load and unload.
void RegisterRepository(net::Router& router, const std::shared_ptr<Front>& front);
// The body as an object; an empty one is an empty object.
base::Result<base::Json> BodyOf(const net::HttpRequest& request);

}  // namespace slipway::api::oip
