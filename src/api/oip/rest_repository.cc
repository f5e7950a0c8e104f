// SPDX-License-Identifier: Apache-2.0
// What REST callers ask of the repository: what there is, and to load and unload it.
#include <utility>

#include "api/oip/rest.h"
#include "base/hash.h"
#include "base/json.h"

namespace slipway::api::oip {
namespace {

using base::InvalidArgument;
using base::Json;
using base::Result;
using base::Status;
using net::HttpRequest;
using net::HttpResponse;

constexpr std::string_view kFile = "file:";

events::Actor ActorOf(const HttpRequest& request) {
  events::Actor actor;
  actor.source = "http " + request.remote_address;
  return actor;
}

// An absent member is an empty object.
Result<Json> ParametersOf(const HttpRequest& request) {
  const Json body = TRY(BodyOf(request));
  const Json* parameters = body.Find("parameters");
  if (parameters == nullptr || parameters->is_null()) return Json::MakeObject();
  if (parameters->is_object()) return *parameters;
  return InvalidArgument("parameters",
                         "expected an object, got " + std::string(parameters->TypeName()));
}

Status ReadLoadParameter(const std::string& name, const Json& value, repository::LoadRequest& out) {
  const std::string field = "parameters." + name;
  const bool file = name.starts_with(kFile);
  if (name != "config" && !file) {
    return InvalidArgument(field, "no such parameter; known are 'config' and 'file:<path>'");
  }
  if (!value.is_string()) return InvalidArgument(field, "expected a string");
  if (!file) {
    out.config = value.AsString();
    return Status::Ok();
  }
  auto bytes = base::Base64Decode(value.AsString());
  if (!bytes) return InvalidArgument(field, "expected base64");
  out.files.insert_or_assign(name, std::move(*bytes));
  return Status::Ok();
}

Status Load(Front& front, const HttpRequest& request) {
  repository::LoadRequest load;
  load.name = request.GetParam("model");
  load.actor = ActorOf(request);
  const Json parameters = TRY(ParametersOf(request));
  for (const auto& [name, value] : parameters.AsObject()) TRY(ReadLoadParameter(name, value, load));
  return front.repository->Load(load);
}

Status Unload(Front& front, const HttpRequest& request) {
  bool dependents = false;
  const Json parameters = TRY(ParametersOf(request));
  for (const auto& [name, value] : parameters.AsObject()) {
    const std::string field = "parameters." + name;
    if (name != "unload_dependents")
      return InvalidArgument(field, "no such parameter; known is 'unload_dependents'");
    if (!value.is_bool()) return InvalidArgument(field, "expected true or false");
    dependents = value.AsBool();
  }
  return front.repository->Unload(request.GetParam("model"), dependents, ActorOf(request));
}

Result<Json> Index(const Front& front, const HttpRequest& request) {
  const Json body = TRY(BodyOf(request));
  TRY(base::RequireOnly(body, {"ready"}));
  return front.Index(TRY(base::OptionalBool(body, "ready")).value_or(false));
}

}  // namespace

void RegisterRepository(net::Router& router, const std::shared_ptr<Front>& front) {
  router.AddBlocking("POST", "/v2/repository/index", [front](const HttpRequest& request) {
    const auto index = Index(*front, request);
    return index.ok() ? HttpResponse::Json(200, index->Dump()) : ErrorAnswer(index.status());
  });
  for (const auto& [verb, change] : {std::pair("load", &Load), std::pair("unload", &Unload)}) {
    router.AddBlocking("POST", std::string("/v2/repository/models/{model}/") + verb,
                       [front, change = change](const HttpRequest& request) {
                         const Status status = change(*front, request);
                         return status.ok() ? HttpResponse::Json(200, "") : ErrorAnswer(status);
                       });
  }
}

}  // namespace slipway::api::oip
