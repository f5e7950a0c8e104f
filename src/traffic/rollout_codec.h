// SPDX-License-Identifier: Apache-2.0
// Rollouts as JSON: what the native API shows is also what is stored. Private to traffic.
#pragma once

#include "base/json.h"
#include "base/status.h"
#include "traffic/rollouts.h"

namespace slipway::traffic {

// The reverse of ToJson(const Rollout&).
base::Result<Rollout> RolloutFromJson(const base::Json& json);

}  // namespace slipway::traffic
