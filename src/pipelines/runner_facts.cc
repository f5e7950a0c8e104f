// SPDX-License-Identifier: Apache-2.0
// Walk of a version, step "retrain": what the event log is told of runs and steps.
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "base/json.h"
#include "base/status.h"
#include "events/actor.h"
#include "events/events.h"
#include "pipelines/pipelines.h"
#include "pipelines/run_machine.h"
#include "pipelines/run_store.h"
#include "pipelines/runner.h"
#include "storage/database.h"

namespace slipway::pipelines {

using base::Json;
using base::Status;

Status Runner::AppendEvent(storage::Transaction& transaction, const LiveRun& run,
                           const std::string& type, const events::Actor& actor, Json data) {
  events::Event event;
  event.type = type;
  event.subject = "pipeline/" + run.record.pipeline;
  event.actor = actor;
  event.data = Json::MakeObject({{"run", run.record.id}, {"pipeline", run.record.pipeline}});
  for (auto& [key, value] : data.AsObject()) event.data.Set(key, std::move(value));
  return events.Append(transaction, std::move(event));
}

Status Runner::AppendStarted(storage::Transaction& transaction, const LiveRun& run,
                             const events::Actor& actor) {
  Json parameters = Json::MakeObject();
  for (const auto& [name, value] : run.record.parameters) parameters.Set(name, value);
  return AppendEvent(
      transaction, run, "pipeline.run_started", actor,
      Json::MakeObject({{"trigger", run.record.trigger}, {"parameters", std::move(parameters)}}));
}

Status Runner::AppendStepFinished(storage::Transaction& transaction, const LiveRun& run,
                                  size_t step, std::string_view ending) {
  const StepRecord& record = run.record.steps[step];
  return AppendEvent(
      transaction, run, "pipeline.step_finished", events::Internal("pipelines"),
      Json::MakeObject({{"step", record.name},
                        {"state", ending},
                        {"attempt", record.attempt},
                        {"again", run.progress[step].state == StepState::kWaiting},
                        {"exit_status", record.exit_status ? Json(*record.exit_status) : Json()},
                        {"cached", record.cached},
                        {"message", record.message}}));
}

// When nothing runs and nothing more will: the run's end, in the same transaction.
Status Runner::WriteEnding(storage::Transaction& transaction, LiveRun& run) {
  const auto ending = RunEnding(run.progress);
  if (!ending) return Status::Ok();
  for (size_t i = 0; i < run.progress.size(); ++i) {
    if (run.progress[i].state != StepState::kWaiting) continue;
    run.progress[i].state = StepState::kSkipped;
    run.record.steps[i].state = "skipped";
    TRY(UpdateStep(transaction, run, i));
  }
  run.record.state = *ending;
  run.record.ended = clock.Now();
  TRY(UpdateRun(transaction, run));
  return AppendEvent(transaction, run, "pipeline.run_finished", events::Internal("pipelines"),
                     Json::MakeObject({{"state", *ending},
                                       {"message", run.record.message},
                                       {"trigger", run.record.trigger},
                                       {"outputs", ToJson(run.record.outputs)}}));
}

}  // namespace slipway::pipelines
