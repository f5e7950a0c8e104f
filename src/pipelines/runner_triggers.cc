// SPDX-License-Identifier: Apache-2.0
// Walk of a version, step "retrain": a person's, a schedule's or an alert's wish becomes a run, or
// is refused.
#include <algorithm>
#include <cctype>
#include <cstddef>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/status.h"
#include "events/actor.h"
#include "pipelines/cron.h"
#include "pipelines/pipelines.h"
#include "pipelines/run_store.h"
#include "pipelines/runner.h"
#include "pipelines/spec.h"
#include "storage/database.h"

namespace slipway::pipelines {

using base::Json;
using base::Result;
using base::Status;

namespace {

constexpr size_t kMaxParameters = 100;
constexpr size_t kMaxParameterBytes = 4096;

Status CheckParameters(const std::map<std::string, std::string>& parameters) {
  if (parameters.size() > kMaxParameters) {
    return base::InvalidArgument("parameters",
                                 "expected at most " + std::to_string(kMaxParameters));
  }
  for (const auto& [name, value] : parameters) {
    const bool good =
        !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
          return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
        });
    if (!good)
      return base::InvalidArgument("parameters." + name,
                                   "expected a name of letters, digits and '_'");
    if (value.size() > kMaxParameterBytes || value.find('\0') != std::string::npos) {
      return base::InvalidArgument("parameters." + name, "expected at most 4096 bytes of text");
    }
  }
  return Status::Ok();
}

LiveRun NewRun(const PipelineSpec& spec, const TriggerRequest& request, base::Micros now) {
  LiveRun run;
  run.spec = spec;
  run.progress.resize(spec.steps.size());
  RunRecord& record = run.record;
  record.id = base::NewUlid(now);
  record.pipeline = spec.name;
  record.trigger = request.trigger;
  record.state = "running";
  record.created = now;
  record.started = now;
  record.actor = request.actor.name;
  record.parameters = request.parameters;
  for (const StepSpec& step : spec.steps)
    record.steps.push_back({step.name, "waiting", 0, {}, {}, {}, false, ""});
  return run;
}

bool IsManual(const Json& trigger) {
  const Json* kind = trigger.Find("kind");
  return kind == nullptr || !kind->is_string() || kind->AsString() == "manual";
}

}  // namespace

const PipelineSpec* Runner::FindSpec(const std::string& name) const {
  const auto found =
      std::find_if(specs.begin(), specs.end(), [&](const auto& spec) { return spec.name == name; });
  return found == specs.end() ? nullptr : &*found;
}

Status Runner::Refusal(const TriggerRequest& request, base::Micros now) const {
  const PipelineSpec* spec = FindSpec(request.pipeline);
  if (stopping) return base::Unavailable("not_started", "pipelines are not started");
  if (spec == nullptr) {
    return base::NotFound("pipeline_not_found",
                          "there is no pipeline \"" + request.pipeline + "\"");
  }
  const auto live = runs.find(request.pipeline);
  if (live != runs.end() && live->second.record.state == "running") {
    return base::FailedPrecondition("already_running", "run " + live->second.record.id +
                                                           " of pipeline \"" + request.pipeline +
                                                           "\" has not ended");
  }
  const auto ended = last_ends.find(request.pipeline);
  if (IsManual(request.trigger) || ended == last_ends.end() ||
      now >= ended->second + spec->cooldown)
    return Status::Ok();
  return base::FailedPrecondition("cooldown", "pipeline \"" + request.pipeline + "\" rests until " +
                                                  base::FormatTime(ended->second + spec->cooldown));
}

// A waiting run takes a further trigger in; a manual one starts it.
Result<std::string> Runner::Merge(LiveRun run, const TriggerRequest& request, base::Micros now,
                                  const Also& also) {
  for (const auto& [name, value] : request.parameters) run.record.parameters[name] = value;
  const Json* merged = run.record.trigger.Find("merged");
  run.record.trigger.Set("merged", (merged != nullptr ? merged->AsInt() : 0) + 1);
  const bool begins = IsManual(request.trigger);
  if (begins) {
    run.record.state = "running";
    run.record.started = now;
  }
  TRY(database.Write([&](storage::Transaction& transaction) -> Status {
    TRY(UpdateRun(transaction, run));
    if (begins) TRY(AppendStarted(transaction, run, request.actor));
    return also ? also(transaction) : Status::Ok();
  }));
  const std::string id = run.record.id;
  Keep(std::move(run));
  WakeControl();
  return id;
}

Result<std::string> Runner::TriggerNow(const TriggerRequest& request, const Also& also) {
  const base::Micros now = clock.Now();
  TRY(Refusal(request, now));
  TRY(CheckParameters(request.parameters));
  const auto waiting = runs.find(request.pipeline);
  if (waiting != runs.end()) return Merge(waiting->second, request, now, also);
  const PipelineSpec& spec = *FindSpec(request.pipeline);
  LiveRun run = NewRun(spec, request, now);
  const bool waits = !IsManual(request.trigger) && spec.debounce > 0;
  if (waits) {
    run.record.state = "queued";
    run.record.started.reset();
    run.not_before = now + spec.debounce;
  }
  TRY(database.Write([&](storage::Transaction& transaction) -> Status {
    TRY(InsertRun(transaction, run));
    if (!waits) TRY(AppendStarted(transaction, run, request.actor));
    return also ? also(transaction) : Status::Ok();
  }));
  const std::string id = run.record.id;
  Keep(std::move(run));
  WakeControl();
  return id;
}

Status Runner::BeginQueued(base::Micros now) {
  std::vector<LiveRun> due;
  for (const auto& [pipeline, run] : runs) {
    if (run.record.state == "queued" && run.not_before <= now) due.push_back(run);
  }
  for (LiveRun& run : due) {
    run.record.state = "running";
    run.record.started = now;
    TRY(database.Write([&](storage::Transaction& transaction) -> Status {
      TRY(UpdateRun(transaction, run));
      return AppendStarted(transaction, run, {run.record.actor, "internal"});
    }));
    Keep(std::move(run));
    WakeControl();
  }
  return Status::Ok();
}

// Missed firings count once: after a pause a pipeline does not run again and again.
Status Runner::FireSchedule(const PipelineSpec& spec, const Trigger& trigger, base::Micros now) {
  const auto key = std::make_pair(spec.name, trigger.text);
  const auto save = [&](storage::Transaction& transaction) {
    return SaveFiring(transaction, spec.name, trigger.text, now);
  };
  if (!firings.contains(key)) {
    TRY(database.Write(save));
    firings[key] = now;
  }
  if (!next_due.contains(key))
    next_due[key] =
        NextFiring(trigger.cron, firings[key]).value_or(std::numeric_limits<base::Micros>::max());
  if (next_due[key] > now) return Status::Ok();
  TriggerRequest request;
  request.pipeline = spec.name;
  request.actor = events::Internal("schedule");
  request.trigger = Json::MakeObject(
      {{"kind", "schedule"}, {"schedule", trigger.text}, {"due", base::FormatTime(next_due[key])}});
  const auto fired = TriggerNow(request, save);
  if (!fired.ok()) {
    Warn("schedule of " + spec.name + " refused", fired.status());
    TRY(database.Write(save));
  }
  firings[key] = now;
  next_due.erase(key);
  return Status::Ok();
}

}  // namespace slipway::pipelines
