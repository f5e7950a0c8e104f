// SPDX-License-Identifier: Apache-2.0
// /api/v1/endpoints/{endpoint}/tune: how the version that answers is run best on this machine.
#include "traffic/tuning.h"

#include "api/native/answers.h"
#include "api/native/native.h"

namespace slipway::api::native {
namespace {

using base::Json;

constexpr double kMostLatencyMs = 3'600'000;

base::Result<traffic::TuneWish> WishOf(const net::HttpRequest& request) {
  const Json body = TRY(ReadBody(request, {"latency_ms", "for_later"}));
  traffic::TuneWish wish;
  wish.endpoint = request.GetParam("endpoint");
  if (const Json* latency = body.Find("latency_ms"); latency != nullptr) {
    if (!latency->is_number() || latency->AsDouble() <= 0 || latency->AsDouble() > kMostLatencyMs)
      return base::InvalidArgument("latency_ms", "expected milliseconds, more than 0");
    wish.target.latency_ms = latency->AsDouble();
  }
  if (const Json* later = body.Find("for_later"); later != nullptr) {
    if (!later->is_bool()) return base::InvalidArgument("for_later", "expected true or false");
    wish.for_later = later->AsBool();
  }
  return wish;
}

}  // namespace

void RegisterTuning(net::Router& router, traffic::Tuning& tuning) {
  const std::string path = "/api/v1/endpoints/{endpoint}/tune";
  AddJson(router, "POST", path, [&tuning](net::HttpRequest& request) -> base::Result<Json> {
    return ToJson(TRY(tuning.Start(TRY(WishOf(request)), ActorOf(request))));
  });
  AddJson(router, "GET", path, [&tuning](net::HttpRequest& request) -> base::Result<Json> {
    return ToJson(TRY(tuning.Last(request.GetParam("endpoint"))));
  });
  AddJson(router, "DELETE", path, [&tuning](net::HttpRequest& request) -> base::Result<Json> {
    return ToJson(TRY(tuning.Cancel(request.GetParam("endpoint"))));
  });
}

}  // namespace slipway::api::native
