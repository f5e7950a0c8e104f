// SPDX-License-Identifier: Apache-2.0
// What REST callers ask besides predictions.
#include <functional>
#include <utility>

#include "api/oip/rest.h"
#include "base/json.h"

namespace slipway::api::oip {

base::Result<base::Json> BodyOf(const net::HttpRequest& request) {
  if (request.body.empty()) return base::Json::MakeObject();
  auto json = base::Json::Parse(request.body);
  if (!json.ok()) return base::InvalidArgument("body", "not JSON: " + json.status().message());
  if (!json->is_object()) {
    return base::InvalidArgument("body",
                                 "expected an object, got " + std::string(json->TypeName()));
  }
  return json;
}

namespace {

using base::InvalidArgument;
using base::Json;
using base::Result;
using net::HttpRequest;
using net::HttpResponse;
using net::Respond;

// The answer's body, or why there is none.
using Answer = std::function<Result<Json>(Front& front, const HttpRequest& request)>;

void Add(net::Router& router, std::string_view method, const std::string& path,
         const std::shared_ptr<Front>& front, Answer answer) {
  router.Add(
      method, path,
      [front, answer = std::move(answer)](const HttpRequest& request, const Respond& respond) {
        const auto json = answer(*front, request);
        respond(json.ok() ? HttpResponse::Json(200, json->is_null() ? "" : json->Dump())
                          : ErrorAnswer(json.status()));
      });
}

void AddStatistics(net::Router& router, const std::shared_ptr<Front>& front) {
  Add(router, "GET", "/v2/models/stats", front,
      [](Front& of, const HttpRequest&) { return of.Statistics({}, std::nullopt); });
  for (const bool versioned : {false, true}) {
    const std::string version = versioned ? "/versions/{version}" : "";
    Add(router, "GET", "/v2/models/{model}" + version + "/stats", front,
        [versioned](Front& of, const HttpRequest& request) -> Result<Json> {
          return of.Statistics(request.GetParam("model"), TRY(VersionOf(request, versioned)));
        });
  }
}

void AddSettings(net::Router& router, const std::shared_ptr<Front>& front) {
  Add(router, "GET", "/v2/logging", front,
      [](Front& of, const HttpRequest&) -> Result<Json> { return of.LogSettings(); });
  Add(router, "POST", "/v2/logging", front,
      [](Front& of, const HttpRequest& request) -> Result<Json> {
        return of.SetLogSettings(TRY(BodyOf(request)));
      });
  for (const bool one : {false, true}) {
    const std::string path = one ? "/v2/models/{model}/trace/setting" : "/v2/trace/setting";
    const auto model = [one](const HttpRequest& request) {
      return one ? request.GetParam("model") : std::string();
    };
    Add(router, "GET", path, front, [model](Front& of, const HttpRequest& request) {
      return of.TraceSettings(model(request));
    });
    Add(router, "POST", path, front,
        [model](Front& of, const HttpRequest& request) -> Result<Json> {
          return of.SetTraceSettings(model(request), TRY(BodyOf(request)));
        });
  }
}

Result<uint64_t> CountOf(const Json& body, std::string_view key, bool required) {
  const Json* value = body.Find(key);
  if (value == nullptr && !required) return uint64_t{0};
  if (value == nullptr || !value->is_int() || value->AsInt() < 0)
    return InvalidArgument(std::string(key), "expected a number of bytes");
  return static_cast<uint64_t>(value->AsInt());
}

Result<Json> RegisterRegion(Front& front, const HttpRequest& request) {
  TRY(front.regions.Allow(AddressOf(request.remote_address)));
  const Json body = TRY(BodyOf(request));
  const std::string key = TRY(base::RequireString(body, "key"));
  TRY(front.regions.Register(request.GetParam("region"), key, TRY(CountOf(body, "offset", false)),
                             TRY(CountOf(body, "byte_size", true))));
  return Json();
}

Result<Json> UnregisterRegions(Front& front, const HttpRequest& request, bool one) {
  TRY(front.regions.Allow(AddressOf(request.remote_address)));
  if (one) {
    front.regions.Unregister(request.GetParam("region"));
  } else {
    front.regions.UnregisterAll();
  }
  return Json();
}

Result<Json> NoCudaRegions(const std::string& name) {
  if (name.empty()) return Json::MakeArray();
  return base::NotFound("no_such_region", "there is no shared memory region '" + name + "'");
}

void AddSharedMemory(net::Router& router, const std::shared_ptr<Front>& front) {
  for (const bool one : {false, true}) {
    const std::string region = one ? "/region/{region}" : "";
    const auto name = [one](const HttpRequest& request) {
      return one ? request.GetParam("region") : std::string();
    };
    Add(router, "GET", "/v2/systemsharedmemory" + region + "/status", front,
        [name](Front& of, const HttpRequest& request) { return of.Regions(name(request)); });
    Add(router, "POST", "/v2/systemsharedmemory" + region + "/unregister", front,
        [one](Front& of, const HttpRequest& request) {
          return UnregisterRegions(of, request, one);
        });
    Add(router, "GET", "/v2/cudasharedmemory" + region + "/status", front,
        [name](Front&, const HttpRequest& request) { return NoCudaRegions(name(request)); });
    Add(router, "POST", "/v2/cudasharedmemory" + region + "/unregister", front,
        [](Front&, const HttpRequest&) -> Result<Json> { return Json(); });
  }
  Add(router, "POST", "/v2/systemsharedmemory/region/{region}/register", front, RegisterRegion);
  Add(router, "POST", "/v2/cudasharedmemory/region/{region}/register", front,
      [](Front&, const HttpRequest&) -> Result<Json> { return NoCuda(); });
}

}  // namespace

void RegisterControl(net::Router& router, const std::shared_ptr<Front>& front) {
  AddStatistics(router, front);
  AddSettings(router, front);
  AddSharedMemory(router, front);
}

}  // namespace slipway::api::oip
