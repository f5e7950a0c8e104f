// SPDX-License-Identifier: Apache-2.0
// OpenTelemetry's export of spans (OTLP over HTTP, protobuf), decoded into what tracking keeps.
#pragma once

#include <string_view>
#include <vector>

#include "base/status.h"
#include "tracking/tracking.h"

namespace slipway::api::mlflow {

// kInvalidArgument for what is not an ExportTraceServiceRequest or has a span without ids.
base::Result<std::vector<tracking::Span>> ParseOtlp(std::string_view body);

}  // namespace slipway::api::mlflow
