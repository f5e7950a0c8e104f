// SPDX-License-Identifier: Apache-2.0
// Spans as OpenTelemetry sends them; the only place that knows protobuf here.
#include "api/mlflow/otlp.h"

#include <google/protobuf/util/json_util.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/mlflow/otlp.pb.h"
#include "base/status.h"
#include "tracking/tracking.h"

namespace slipway::api::mlflow {
namespace {

constexpr int kStatusError = 2;

std::string HexOf(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    hex += kDigits[byte >> 4U];
    hex += kDigits[byte & 15U];
  }
  return hex;
}

base::Status Invalid(std::string_view why) {
  return base::InvalidArgument("", "Invalid OpenTelemetry format - " + std::string(why));
}

base::Result<tracking::Span> Decode(const otlp::Span& wire) {
  constexpr size_t kTraceIdBytes = 16;
  constexpr size_t kSpanIdBytes = 8;
  if (wire.trace_id().size() != kTraceIdBytes || wire.span_id().size() != kSpanIdBytes)
    return Invalid("a span's trace_id has 16 bytes and its span_id 8");
  tracking::Span span;
  span.trace_id = "tr-" + HexOf(wire.trace_id());
  span.span_id = HexOf(wire.span_id());
  span.is_root = wire.parent_span_id().empty();
  span.name = wire.name();
  span.start_ns = static_cast<int64_t>(wire.start_time_unix_nano());
  span.end_ns = static_cast<int64_t>(wire.end_time_unix_nano());
  span.failed = wire.status().code() == kStatusError;
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  if (!google::protobuf::util::MessageToJsonString(wire, &span.content, options).ok())
    return Invalid("a span has a text that is not UTF-8");
  return span;
}

}  // namespace

base::Result<std::vector<tracking::Span>> ParseOtlp(std::string_view body) {
  otlp::ExportTraceServiceRequest request;
  if (!request.ParseFromArray(body.data(), static_cast<int>(body.size())))
    return Invalid("not an ExportTraceServiceRequest");
  if (request.resource_spans().empty()) return Invalid("no spans found");
  std::vector<tracking::Span> spans;
  for (const otlp::ResourceSpans& resource : request.resource_spans()) {
    for (const otlp::ScopeSpans& scope : resource.scope_spans()) {
      for (const otlp::Span& wire : scope.spans()) spans.push_back(TRY(Decode(wire)));
    }
  }
  return spans;
}

}  // namespace slipway::api::mlflow
