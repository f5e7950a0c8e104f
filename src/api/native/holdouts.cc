// SPDX-License-Identifier: Apache-2.0
// /api/v1/holdouts: labelled rows that candidates are measured on.
#include "lifecycle/holdouts.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "api/native/answers.h"
#include "api/native/native.h"

namespace slipway::api::native {
namespace {

using base::Json;

std::vector<std::string> Split(const std::string& text) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    if (end > begin) parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

base::Result<Json> Register(lifecycle::Holdouts& holdouts, const net::HttpRequest& request) {
  lifecycle::HoldoutShape shape;
  shape.label = request.GetQuery("label").value_or("");
  if (shape.label.empty())
    return base::InvalidArgument("label", "missing: expected the name of the label's column");
  shape.segments = Split(request.GetQuery("segments").value_or(""));
  return ToJson(TRY(holdouts.Register(request.GetParam("holdout"), request.body, std::move(shape),
                                      ActorOf(request))));
}

}  // namespace

void RegisterHoldouts(net::Router& router, lifecycle::Holdouts& holdouts) {
  AddJson(router, "GET", "/api/v1/holdouts", [&](net::HttpRequest&) -> base::Result<Json> {
    Json rows = Json::MakeArray();
    for (const lifecycle::Holdout& holdout : TRY(holdouts.List())) rows.Append(ToJson(holdout));
    return Json::MakeObject({{"holdouts", std::move(rows)}});
  });
  AddJson(router, "GET", "/api/v1/holdouts/{holdout}",
          [&](net::HttpRequest& request) -> base::Result<Json> {
            return ToJson(TRY(holdouts.Find(request.GetParam("holdout"))));
          });
  AddJson(router, "POST", "/api/v1/holdouts/{holdout}",
          [&](net::HttpRequest& request) { return Register(holdouts, request); });
}

}  // namespace slipway::api::native
