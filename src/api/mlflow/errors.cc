// SPDX-License-Identifier: Apache-2.0
// The way back of MLflow's protocol: where a Status becomes what its clients raise.
#include "api/mlflow/errors.h"

#include <string_view>

#include "base/json.h"

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

Wire WireOf(const base::Status& status) {
  if (IsBadParameterThere(status.reason())) return {400, "INVALID_PARAMETER_VALUE"};
  switch (status.code()) {
    case base::Code::kInvalidArgument:
    case base::Code::kOutOfRange:
      return {400, "INVALID_PARAMETER_VALUE"};
    case base::Code::kNotFound:
      return {404, "RESOURCE_DOES_NOT_EXIST"};
    case base::Code::kAlreadyExists:
      return {400, "RESOURCE_ALREADY_EXISTS"};
    case base::Code::kFailedPrecondition:
      return {400, "INVALID_STATE"};
    case base::Code::kPermissionDenied:
      return {403, "PERMISSION_DENIED"};
    case base::Code::kUnauthenticated:
      return {401, "UNAUTHENTICATED"};
    case base::Code::kResourceExhausted:
      return {429, "RESOURCE_EXHAUSTED"};
    case base::Code::kAborted:
      return {409, "ABORTED"};
    case base::Code::kCancelled:
      return {499, "CANCELLED"};
    case base::Code::kUnimplemented:
      return {501, "NOT_IMPLEMENTED"};
    case base::Code::kUnavailable:
      return {503, "TEMPORARILY_UNAVAILABLE"};
    case base::Code::kDeadlineExceeded:
      return {504, "DEADLINE_EXCEEDED"};
    case base::Code::kDataLoss:
      return {500, "DATA_LOSS"};
    default:
      return {};
  }
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
