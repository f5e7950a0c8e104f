// SPDX-License-Identifier: Apache-2.0
// What a rollout does next: a pure function of where it stands and what the judge found. Private to
// traffic.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "traffic/rollouts.h"

namespace slipway::traffic {

struct RolloutDecision {
  enum class Kind : uint8_t { kStay, kAdvance, kPromote, kRollBack, kPause } kind = Kind::kStay;
  std::string why;
};

struct RolloutLimits {
  std::vector<std::string> required;  // metrics that must pass before all traffic goes over
  base::Micros max_duration = 0;
};

// In this order:
// 1. A metric fails: back. In every step, paused or not.
// 2. Paused: a person decides.
// 3. The step has lasted its time and seen its predictions: on to the next one. All traffic (a step
// of weight 1, or promotion) needs
//    every required metric to pass: there is nothing left to compare with afterwards.
// 4. Still here after max_duration: pause. Silence never promotes.
// `candidate_answers`: by the candidate in this step. `rollout.analysis` holds the findings as of
// `now`.
RolloutDecision Decide(const Rollout& rollout, const RolloutLimits& limits, base::Micros now,
                       int64_t candidate_answers);

}  // namespace slipway::traffic
