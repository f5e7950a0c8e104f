// SPDX-License-Identifier: Apache-2.0
// The routes of the native API, resource by resource.
#include "api/native/native.h"

namespace slipway::api::native {

void Register(net::Router& router, Parts parts, std::span<const WebFile> web) {
  RegisterOperations(router, parts);
  RegisterEvents(router, parts);
  RegisterModels(router, parts.registry);
  RegisterIntegrity(router, parts.registry);
  RegisterGates(router, parts.registry);
  RegisterHoldouts(router, parts.holdouts);
  RegisterRetention(router, parts.retention);
  RegisterCheck(router, parts);
  RegisterTraffic(router, parts);
  RegisterTuning(router, parts.tuning);
  RegisterLineage(router, parts);
  RegisterMonitoring(router, parts);
  RegisterAlerts(router, parts);
  RegisterPipelines(router, parts);
  RegisterWeb(router, web);
}

}  // namespace slipway::api::native
