// SPDX-License-Identifier: Apache-2.0
// What a run does next: pure functions of its spec and of where its steps stand. Private to
// pipelines.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "pipelines/spec.h"

namespace slipway::pipelines {

enum class StepState : uint8_t { kWaiting, kRunning, kSucceeded, kFailed, kLost, kSkipped };
std::string_view StepStateName(StepState state);  // "waiting", "running", ...
StepState ParseStepState(std::string_view name);  // kWaiting for what is unknown

struct StepProgress {
  StepState state = StepState::kWaiting;
  int64_t attempt = 0;  // begun so far
  int64_t failures = 0;
  int64_t losses = 0;           // attempts that ended with the server
  base::Micros not_before = 0;  // of the real clock: the backoff after a failure
};
using Progress = std::vector<StepProgress>;  // in the spec's order

enum class Ending : uint8_t { kSucceeded, kFailed, kLost };

// The step waits again while its budget lasts: retries.max failures, retries.lost losses.
StepProgress AfterEnding(const StepSpec& step, StepProgress progress, Ending ending,
                         base::Micros real_now);
// Steps to begin now, at most `free`. None once a step has failed for good.
std::vector<size_t> ReadyToBegin(const PipelineSpec& spec, const Progress& progress,
                                 base::Micros real_now, size_t free);
// "succeeded", "failed" or "lost" when nothing runs and nothing more will.
std::optional<std::string_view> RunEnding(const Progress& progress);
// When the next backoff ends; nothing when none is waited for.
std::optional<base::Micros> NextBackoff(const Progress& progress, base::Micros real_now);

}  // namespace slipway::pipelines
