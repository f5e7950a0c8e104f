// SPDX-License-Identifier: Apache-2.0
// What an alert does by itself, by policy: retrain, pause a rollout, roll back. Never more often
// than its cooldown and its number a day allow: what repeats is held back and said.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/status.h"
#include "events/events.h"

namespace slipway::lifecycle {

struct AlertAction {
  std::string rule;      // of the alert; "*": any
  std::string what;      // "retrain", "pause_rollout", "roll_back"
  std::string pipeline;  // of retrain
  base::Micros cooldown = base::kHour;
  int64_t most_per_day = 3;
};
// [{"rule", "do", "pipeline", "cooldown", "most_per_day"}]; kInvalidArgument naming `field`[i].key.
base::Result<std::vector<AlertAction>> ParseAlertActions(const std::string& field,
                                                         const base::Json& json);
base::Json ToJson(const AlertAction& action);

// Why the action must wait; empty when it may happen now. `acted`: events "policy.acted" of the
// endpoint within the last day, of any action and alert.
std::string HeldBack(const AlertAction& action, const std::string& alert,
                     const std::vector<events::Event>& acted, base::Micros now);

}  // namespace slipway::lifecycle
