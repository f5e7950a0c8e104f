// SPDX-License-Identifier: Apache-2.0
// Walk of a version, step "retrain": which step is next, and when a run is over.
#include "pipelines/run_machine.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "pipelines/spec.h"

namespace slipway::pipelines {

namespace {

constexpr std::array<std::string_view, 6> kNames = {"waiting", "running", "succeeded",
                                                    "failed",  "lost",    "skipped"};
constexpr int64_t kMostDoublings = 20;

bool Any(const Progress& progress, StepState state) {
  return std::any_of(progress.begin(), progress.end(),
                     [&](const StepProgress& step) { return step.state == state; });
}

bool NeedsAreMet(const PipelineSpec& spec, const Progress& progress, const StepSpec& step) {
  for (size_t i = 0; i < spec.steps.size(); ++i) {
    if (progress[i].state == StepState::kSucceeded) continue;
    if (std::find(step.needs.begin(), step.needs.end(), spec.steps[i].name) != step.needs.end())
      return false;
  }
  return true;
}

bool GivenUp(const Progress& progress) {
  return Any(progress, StepState::kFailed) || Any(progress, StepState::kLost);
}

}  // namespace

std::string_view StepStateName(StepState state) { return kNames[static_cast<size_t>(state)]; }

StepState ParseStepState(std::string_view name) {
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  return found == kNames.end() ? StepState::kWaiting
                               : static_cast<StepState>(found - kNames.begin());
}

StepProgress AfterEnding(const StepSpec& step, StepProgress progress, Ending ending,
                         base::Micros real_now) {
  switch (ending) {
    case Ending::kSucceeded:
      progress.state = StepState::kSucceeded;
      break;
    case Ending::kFailed: {
      const int64_t doublings = std::min(progress.failures, kMostDoublings);
      progress.not_before = real_now + std::min(step.retries.backoff << doublings,
                                                std::max(step.retries.backoff, base::kHour));
      ++progress.failures;
      progress.state =
          progress.failures > step.retries.max ? StepState::kFailed : StepState::kWaiting;
      break;
    }
    case Ending::kLost:
      ++progress.losses;
      progress.state = progress.losses > step.retries.lost ? StepState::kLost : StepState::kWaiting;
      break;
  }
  return progress;
}

std::vector<size_t> ReadyToBegin(const PipelineSpec& spec, const Progress& progress,
                                 base::Micros real_now, size_t free) {
  std::vector<size_t> ready;
  if (GivenUp(progress)) return ready;
  for (const size_t i : TopologicalOrder(spec)) {
    if (ready.size() >= free) break;
    if (progress[i].state != StepState::kWaiting || progress[i].not_before > real_now) continue;
    if (NeedsAreMet(spec, progress, spec.steps[i])) ready.push_back(i);
  }
  return ready;
}

std::optional<std::string_view> RunEnding(const Progress& progress) {
  if (Any(progress, StepState::kRunning)) return std::nullopt;
  if (Any(progress, StepState::kFailed)) return "failed";
  if (Any(progress, StepState::kLost)) return "lost";
  if (Any(progress, StepState::kWaiting)) return std::nullopt;
  return "succeeded";
}

std::optional<base::Micros> NextBackoff(const Progress& progress, base::Micros real_now) {
  std::optional<base::Micros> next;
  for (const StepProgress& step : progress) {
    if (step.state != StepState::kWaiting || step.not_before <= real_now) continue;
    if (!next || step.not_before < *next) next = step.not_before;
  }
  return next;
}

}  // namespace slipway::pipelines
