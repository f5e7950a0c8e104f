// SPDX-License-Identifier: Apache-2.0
// The gates that need a running model; those that read metadata and files only are registry's.
#pragma once

#include <memory>

#include "lifecycle/contest.h"
#include "lifecycle/holdouts.h"
#include "net/http_client.h"
#include "registry/registry.h"
#include "traffic/endpoints.h"

namespace slipway::lifecycle {

// "model_loads": the version opens in the probe process, then in the runtime, and answers a row of
// zeros.
std::unique_ptr<registry::Gate> MakeModelLoadsGate(traffic::Endpoints& endpoints);
// "golden_outputs": the recorded answers of the source model, within the set's tolerance. A version
// without a golden set fails, and the summary says how to log one.
std::unique_ptr<registry::Gate> MakeGoldenOutputsGate(registry::Registry& registry,
                                                      traffic::Endpoints& endpoints);
// "better_than_production": by the configured margin and with a paired bootstrap bound above zero,
// on the holdout that the policy names or that bears the model's name, by any metric and in every
// segment; without one on the newest labelled window, by AUC. Not run (and so not in the way) while
// there is no production version, or neither holdout nor enough labelled rows.
std::unique_ptr<registry::Gate> MakeBetterThanProductionGate(Contests& contests, Holdouts& holdouts,
                                                             traffic::Endpoints& endpoints);

// "signature_compatible": who calls production can call it; what breaks, by field. Not run without
// production.
std::unique_ptr<registry::Gate> MakeSignatureCompatibleGate(traffic::Endpoints& endpoints);
// These guard where a policy says so. "latency_budget" measures rows of zeros, "external_command"
// runs a program that the settings name, "veto_webhook" asks another system by `client`.
std::unique_ptr<registry::Gate> MakeLatencyBudgetGate(traffic::Endpoints& endpoints);
std::unique_ptr<registry::Gate> MakeExternalCommandGate(registry::Registry& registry);
std::unique_ptr<registry::Gate> MakeVetoWebhookGate(const net::HttpClient& client);

}  // namespace slipway::lifecycle
