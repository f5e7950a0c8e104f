// SPDX-License-Identifier: Apache-2.0
// Walk of a version, step "rollout": settings of rollouts, and rollouts as JSON.
#include "traffic/rollout_codec.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/config.h"
#include "base/json.h"
#include "base/status.h"
#include "traffic/analysis.h"
#include "traffic/rollouts.h"

namespace slipway::traffic {

using base::InvalidArgument;
using base::Json;
using base::Result;
using base::Status;

namespace {

constexpr RolloutState kStates[] = {RolloutState::kRunning, RolloutState::kPaused,
                                    RolloutState::kPromoted, RolloutState::kRolledBack,
                                    RolloutState::kAborted};
constexpr Finding kFindings[] = {Finding::kInconclusive, Finding::kPass, Finding::kFail};

std::vector<RolloutStep> DefaultSteps() {
  std::vector<RolloutStep> steps;
  for (const double weight : {0.05, 0.25, 0.5, 1.0})
    steps.push_back({weight, 10 * base::kMinute, 500});
  return steps;
}

Result<base::Micros> StepDuration(const Json& step, const std::string& field) {
  const auto text = base::OptionalString(step, "min_duration");
  const auto seconds = base::OptionalDouble(step, "min_duration_s");
  if (!text.ok() || !seconds.ok() || (*text && *seconds)) {
    return InvalidArgument(field + ".min_duration",
                           "expected a duration such as \"10m\" (or min_duration_s, a number)");
  }
  if (*seconds) {
    if (!std::isfinite(**seconds) || **seconds < 0 || **seconds > 1e9) {
      return InvalidArgument(field + ".min_duration_s", "expected seconds from 0 to 1e9");
    }
    return static_cast<base::Micros>(std::llround(**seconds * 1e6));
  }
  if (!*text) return base::Micros{0};
  const auto parsed = base::ParseDuration(**text);
  if (!parsed.ok()) return InvalidArgument(field + ".min_duration", parsed.status().message());
  return *parsed;
}

Result<RolloutStep> ParseStep(const Json& item, const std::string& field, double weight_before) {
  if (!item.is_object())
    return InvalidArgument(field, "expected {\"weight\", \"min_duration\", \"min_predictions\"}");
  const Status known =
      base::RequireOnly(item, {"weight", "min_duration", "min_duration_s", "min_predictions"});
  if (!known.ok()) return InvalidArgument(field + "." + known.field(), known.message());
  RolloutStep step;
  const auto weight = base::RequireDouble(item, "weight");
  if (!weight.ok() || !(*weight > weight_before) || *weight > 1) {
    return InvalidArgument(field + ".weight",
                           "expected a share above that of the step before and at most 1");
  }
  step.weight = *weight;
  step.min_duration = TRY(StepDuration(item, field));
  const auto predictions = base::OptionalInt(item, "min_predictions");
  if (!predictions.ok() || predictions->value_or(0) < 0) {
    return InvalidArgument(field + ".min_predictions", "expected a whole number from 0");
  }
  step.min_predictions = predictions->value_or(0);
  return step;
}

Json MaybeTime(const std::optional<base::Micros>& time) {
  return time ? Json(base::FormatTime(*time)) : Json();
}

Result<MetricFinding> FindingFromJson(const Json& json) {
  MetricFinding finding;
  finding.name = TRY(base::RequireString(json, "name"));
  const std::string verdict = TRY(base::RequireString(json, "verdict"));
  for (const Finding known : kFindings) {
    if (FindingName(known) == verdict) finding.finding = known;
  }
  const Json none;
  const Json* stable = json.Find("stable");
  const Json* candidate = json.Find("candidate");
  finding.stable_count = TRY(base::RequireInt(stable != nullptr ? *stable : none, "n"));
  finding.stable_mean = TRY(base::RequireDouble(stable != nullptr ? *stable : none, "mean"));
  finding.candidate_count = TRY(base::RequireInt(candidate != nullptr ? *candidate : none, "n"));
  finding.candidate_mean =
      TRY(base::RequireDouble(candidate != nullptr ? *candidate : none, "mean"));
  finding.difference = TRY(base::OptionalDouble(json, "difference"));
  finding.lower = TRY(base::OptionalDouble(json, "lower"));
  finding.upper = TRY(base::OptionalDouble(json, "upper"));
  finding.alpha = TRY(base::RequireDouble(json, "alpha"));
  finding.tolerance = TRY(base::RequireDouble(json, "tolerance"));
  finding.why = TRY(base::RequireString(json, "why"));
  return finding;
}

Result<RolloutHistory> HistoryFromJson(const Json& json) {
  RolloutHistory row;
  row.time = TRY(base::ParseTime(TRY(base::RequireString(json, "time"))));
  row.step = TRY(base::RequireInt(json, "step"));
  row.weight = TRY(base::RequireDouble(json, "weight"));
  row.decision = TRY(base::RequireString(json, "decision"));
  row.why = TRY(base::RequireString(json, "why"));
  return row;
}

Status ReadLists(const Json& json, Rollout& rollout) {
  const Json* steps = json.Find("steps");
  rollout.steps = TRY(ParseSteps(steps != nullptr ? *steps : Json::MakeArray()));
  const Json* analysis = json.Find("analysis");
  const Json* metrics = analysis != nullptr ? analysis->Find("metrics") : nullptr;
  const Json* history = json.Find("history");
  if (metrics == nullptr || !metrics->is_array() || history == nullptr || !history->is_array()) {
    return InvalidArgument("rollout", "expected the lists analysis.metrics and history");
  }
  for (const Json& item : metrics->AsArray())
    rollout.analysis.push_back(TRY(FindingFromJson(item)));
  for (const Json& item : history->AsArray()) rollout.history.push_back(TRY(HistoryFromJson(item)));
  if (rollout.step < 0 || rollout.step >= static_cast<int64_t>(rollout.steps.size())) {
    return InvalidArgument("rollout.step", "expected the number of a step");
  }
  return Status::Ok();
}

}  // namespace

void Describe(base::Schema& schema, RolloutSettings& settings) {
  schema.AddJson(
      "rollout.steps", &settings.steps,
      "Steps of a rollout: a list of {weight, min_duration, min_predictions}, weights rising to 1. "
      "Default: 5 %, 25 %, 50 % and 100 %, each for 10m and 500 predictions.");
  schema.Add(
      "rollout.alpha", &settings.alpha,
      "Chance of rolling back a version that is within the tolerances, all metrics together.", 1e-6,
      0.5);
  schema.Add("rollout.error_rate_tolerance", &settings.error_rate_tolerance,
             "How much larger the candidate's share of failed answers may be.", 1e-6, 1);
  schema.Add("rollout.latency_tolerance", &settings.latency_tolerance,
             "How much larger the mean of log(seconds) may be: 0.4 is 1.5 times.", 1e-6, 10);
  schema.Add("rollout.loss_tolerance", &settings.loss_tolerance,
             "How much larger the mean loss on labelled predictions may be.", 1e-6,
             Tally::kMaxValue);
  schema.Add("rollout.required", &settings.required,
             "Metrics (error_rate, latency, loss) that must be shown to be within tolerance before "
             "all traffic moves.");
  schema.Add("rollout.max_duration", &settings.max_duration,
             "A rollout that is not decided for so long is paused.", base::Duration{base::kSecond},
             base::Duration{3650 * base::kDay});
  schema.Add("rollout.checkpoint", &settings.checkpoint,
             "Real time between saves of a rollout's evidence: what a crash may lose.",
             base::Duration{10 * base::kMillisecond}, base::Duration{base::kHour});
}

Result<std::vector<RolloutStep>> ParseSteps(const Json& steps) {
  if (steps.is_null()) return DefaultSteps();
  if (!steps.is_array() || steps.AsArray().empty() || steps.AsArray().size() > kMaxRolloutSteps) {
    return InvalidArgument(
        "rollout.steps", "expected a list of 1 to " + std::to_string(kMaxRolloutSteps) + " steps");
  }
  std::vector<RolloutStep> parsed;
  for (size_t i = 0; i < steps.AsArray().size(); ++i) {
    const std::string field = "rollout.steps[" + std::to_string(i) + "]";
    parsed.push_back(TRY(ParseStep(steps.AsArray()[i], field, i == 0 ? 0 : parsed.back().weight)));
  }
  return parsed;
}

std::vector<std::unique_ptr<Analysis>> MakeAnalyses(const RolloutSettings& settings) {
  std::vector<std::unique_ptr<Analysis>> analyses;
  analyses.push_back(MakeErrorRateAnalysis(settings.error_rate_tolerance));
  analyses.push_back(MakeLatencyAnalysis(settings.latency_tolerance));
  analyses.push_back(MakeLossAnalysis(settings.loss_tolerance));
  return analyses;
}

std::string_view RolloutStateName(RolloutState state) {
  switch (state) {
    case RolloutState::kRunning:
      return "running";
    case RolloutState::kPaused:
      return "paused";
    case RolloutState::kPromoted:
      return "promoted";
    case RolloutState::kRolledBack:
      return "rolled_back";
    case RolloutState::kAborted:
      break;
  }
  return "aborted";
}

Json ToJson(const Rollout& rollout) {
  Json steps = Json::MakeArray();
  for (const RolloutStep& step : rollout.steps) {
    steps.Append(Json::MakeObject({{"weight", step.weight},
                                   {"min_duration_s", static_cast<double>(step.min_duration) / 1e6},
                                   {"min_predictions", step.min_predictions}}));
  }
  Json metrics = Json::MakeArray();
  for (const MetricFinding& finding : rollout.analysis) metrics.Append(ToJson(finding));
  Json history = Json::MakeArray();
  for (const RolloutHistory& row : rollout.history) {
    history.Append(Json::MakeObject({{"time", base::FormatTime(row.time)},
                                     {"step", row.step},
                                     {"weight", row.weight},
                                     {"decision", row.decision},
                                     {"why", row.why}}));
  }
  return Json::MakeObject({{"id", rollout.id},
                           {"endpoint", rollout.endpoint},
                           {"model", rollout.model},
                           {"from_version", rollout.from_version},
                           {"to_version", rollout.to_version},
                           {"state", RolloutStateName(rollout.state)},
                           {"step", rollout.step},
                           {"steps", std::move(steps)},
                           {"started", base::FormatTime(rollout.started)},
                           {"step_started", base::FormatTime(rollout.step_started)},
                           {"ended", MaybeTime(rollout.ended)},
                           {"epoch", rollout.epoch},
                           {"reason", rollout.reason},
                           {"analysis", Json::MakeObject({{"metrics", std::move(metrics)}})},
                           {"history", std::move(history)}});
}

Result<Rollout> RolloutFromJson(const Json& json) {
  Rollout rollout;
  rollout.id = TRY(base::RequireString(json, "id"));
  rollout.endpoint = TRY(base::RequireString(json, "endpoint"));
  rollout.model = TRY(base::RequireString(json, "model"));
  rollout.from_version = TRY(base::RequireInt(json, "from_version"));
  rollout.to_version = TRY(base::RequireInt(json, "to_version"));
  const std::string name = TRY(base::RequireString(json, "state"));
  for (const RolloutState state : kStates) {
    if (RolloutStateName(state) == name) rollout.state = state;
  }
  rollout.step = TRY(base::RequireInt(json, "step"));
  rollout.started = TRY(base::ParseTime(TRY(base::RequireString(json, "started"))));
  rollout.step_started = TRY(base::ParseTime(TRY(base::RequireString(json, "step_started"))));
  const auto ended = TRY(base::OptionalString(json, "ended"));
  if (ended) rollout.ended = TRY(base::ParseTime(*ended));
  rollout.epoch = TRY(base::RequireInt(json, "epoch"));
  rollout.reason = TRY(base::RequireString(json, "reason"));
  TRY(ReadLists(json, rollout));
  return rollout;
}

}  // namespace slipway::traffic
