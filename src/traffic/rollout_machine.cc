// SPDX-License-Identifier: Apache-2.0
// Walk of a version, step "rollout": from the judge's findings to the next move.
#include "traffic/rollout_machine.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "traffic/analysis.h"
#include "traffic/rollouts.h"

namespace slipway::traffic {

namespace {

using Kind = RolloutDecision::Kind;

std::string Percent(double weight) {
  const double percent = std::round(weight * 10000) / 100;
  std::string text;
  base::AppendJsonNumber(text, percent);
  return text + " %";
}

std::string StepName(const Rollout& rollout) {
  return "step " + std::to_string(rollout.step + 1) + " of " +
         std::to_string(rollout.steps.size()) + " (" +
         Percent(rollout.steps[static_cast<size_t>(rollout.step)].weight) + ")";
}

// Why a required metric does not pass yet; nothing when all do.
std::optional<std::string> NotShown(const Rollout& rollout,
                                    const std::vector<std::string>& required) {
  for (const std::string& name : required) {
    const auto found =
        std::find_if(rollout.analysis.begin(), rollout.analysis.end(),
                     [&](const MetricFinding& finding) { return finding.name == name; });
    if (found == rollout.analysis.end()) return name + ": there is no such metric";
    if (found->finding != Finding::kPass) return name + ": " + found->why;
  }
  return std::nullopt;
}

// What the step still waits for; nothing when it has had its time and its predictions.
std::optional<std::string> NotComplete(const Rollout& rollout, base::Micros now, int64_t answers) {
  const RolloutStep& step = rollout.steps[static_cast<size_t>(rollout.step)];
  const base::Micros lasted = now - rollout.step_started;
  if (lasted >= step.min_duration && answers >= step.min_predictions) return std::nullopt;
  return base::FormatDuration(std::max<base::Micros>(lasted, 0)) + " of " +
         base::FormatDuration(step.min_duration) + ", " + std::to_string(answers) + " of " +
         std::to_string(step.min_predictions) + " predictions";
}

RolloutDecision Forward(const Rollout& rollout, const RolloutLimits& limits, base::Micros now,
                        int64_t answers) {
  if (const auto waits = NotComplete(rollout, now, answers)) {
    return {Kind::kStay, StepName(rollout) + ": " + *waits};
  }
  const auto next = static_cast<size_t>(rollout.step) + 1;
  const bool last = next == rollout.steps.size();
  if (last || rollout.steps[next].weight >= 1) {
    if (const auto why = NotShown(rollout, limits.required)) {
      return {Kind::kStay, StepName(rollout) + ": " + *why};
    }
  }
  if (last)
    return {Kind::kPromote, "every required metric is shown to be not worse than tolerated"};
  return {Kind::kAdvance, StepName(rollout) + " is complete and no metric fails"};
}

}  // namespace

RolloutDecision Decide(const Rollout& rollout, const RolloutLimits& limits, base::Micros now,
                       int64_t candidate_answers) {
  for (const MetricFinding& finding : rollout.analysis) {
    if (finding.finding == Finding::kFail)
      return {Kind::kRollBack, finding.name + ": " + finding.why};
  }
  if (rollout.state == RolloutState::kPaused) return {Kind::kStay, rollout.reason};
  RolloutDecision decision = Forward(rollout, limits, now, candidate_answers);
  if (decision.kind == Kind::kStay && now - rollout.started >= limits.max_duration) {
    return {Kind::kPause,
            "not decided after " + base::FormatDuration(limits.max_duration) + "; " + decision.why};
  }
  return decision;
}

}  // namespace slipway::traffic
