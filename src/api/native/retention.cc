// SPDX-License-Identifier: Apache-2.0
// /api/v1/gc: what nobody needs any more, told or removed.
#include "lifecycle/retention.h"

#include <utility>

#include "api/native/answers.h"
#include "api/native/native.h"

namespace slipway::api::native {

void RegisterRetention(net::Router& router, lifecycle::Retention& retention) {
  AddJson(router, "POST", "/api/v1/gc", [&](net::HttpRequest& request) -> base::Result<base::Json> {
    const base::Json body = TRY(ReadBody(request, {"apply", "dry_run", "reason"}));
    const bool apply = TRY(base::OptionalBool(body, "apply")).value_or(false);
    const bool dry = TRY(base::OptionalBool(body, "dry_run")).value_or(false);
    if (apply == dry) return base::InvalidArgument("apply", "say either dry_run or apply");
    events::Actor actor = ActorOf(request);
    if (auto reason = TRY(base::OptionalString(body, "reason"))) actor.reason = std::move(*reason);
    return ToJson(TRY(retention.Collect(apply, actor)));
  });
}

}  // namespace slipway::api::native
