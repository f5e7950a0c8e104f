// SPDX-License-Identifier: Apache-2.0
// The way back of MLflow's protocol: where a Status becomes what its clients raise.
#include "api/mlflow/errors.h"

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "base/json.h"
#include "base/status.h"
#include "net/http.h"

namespace slipway::api::mlflow {
namespace {

struct Wire {
  int http = 500;
  std::string_view code = "INTERNAL_ERROR";
};

// MLflow's server says INVALID_PARAMETER_VALUE where we distinguish more.
bool IsBadParameterThere(std::string_view reason) {
  return reason == "alias_not_found" || reason == "run_deleted" || reason == "experiment_deleted";
}

constexpr std::array<std::pair<base::Code, Wire>, 14> kWires = {{
    {base::Code::kInvalidArgument, {400, "INVALID_PARAMETER_VALUE"}},
    {base::Code::kOutOfRange, {400, "INVALID_PARAMETER_VALUE"}},
    {base::Code::kAlreadyExists, {400, "RESOURCE_ALREADY_EXISTS"}},
    {base::Code::kFailedPrecondition, {400, "INVALID_STATE"}},
    {base::Code::kUnauthenticated, {401, "UNAUTHENTICATED"}},
    {base::Code::kPermissionDenied, {403, "PERMISSION_DENIED"}},
    {base::Code::kNotFound, {404, "RESOURCE_DOES_NOT_EXIST"}},
    {base::Code::kAborted, {409, "ABORTED"}},
    {base::Code::kResourceExhausted, {429, "RESOURCE_EXHAUSTED"}},
    {base::Code::kCancelled, {499, "CANCELLED"}},
    {base::Code::kDataLoss, {500, "DATA_LOSS"}},
    {base::Code::kUnimplemented, {501, "NOT_IMPLEMENTED"}},
    {base::Code::kUnavailable, {503, "TEMPORARILY_UNAVAILABLE"}},
    {base::Code::kDeadlineExceeded, {504, "DEADLINE_EXCEEDED"}},
}};

Wire WireOf(const base::Status& status) {
  if (IsBadParameterThere(status.reason())) return {400, "INVALID_PARAMETER_VALUE"};
  for (const auto& [code, wire] : kWires) {
    if (code == status.code()) return wire;
  }
  return {};
}

net::HttpResponse Answer(int http, std::string_view code, const std::string& message) {
  return net::HttpResponse::Json(
      http, base::Json::MakeObject({{"error_code", code}, {"message", message}}).Dump());
}

}  // namespace

net::HttpResponse ErrorResponse(const base::Status& status) {
  const Wire wire = WireOf(status);
  return Answer(wire.http, wire.code, status.message());
}

net::HttpResponse NoSuchEndpoint(const net::HttpRequest& request) {
  return Answer(
      404, "ENDPOINT_NOT_FOUND",
      "This server does not offer " + request.method + " " + request.path + " of the MLflow API.");
}

}  // namespace slipway::api::mlflow
