// SPDX-License-Identifier: Apache-2.0
// Walk of a version, step "retrain": a run as the native API shows it.
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/json.h"
#include "pipelines/pipelines.h"
#include "pipelines/run_store.h"

namespace slipway::pipelines {

using base::Json;

namespace {

Json Time(const std::optional<base::Micros>& time) {
  return time ? Json(base::FormatTime(*time)) : Json();
}

}  // namespace

Json ToJson(const RunRecord& run) {
  Json steps = Json::MakeArray();
  for (const StepRecord& step : run.steps) {
    steps.Append(
        Json::MakeObject({{"name", step.name},
                          {"state", step.state},
                          {"attempt", step.attempt},
                          {"started", Time(step.started)},
                          {"ended", Time(step.ended)},
                          {"exit_status", step.exit_status ? Json(*step.exit_status) : Json()},
                          {"cached", step.cached},
                          {"message", step.message}}));
  }
  Json parameters = Json::MakeObject();
  for (const auto& [name, value] : run.parameters) parameters.Set(name, value);
  return Json::MakeObject({{"id", run.id},
                           {"pipeline", run.pipeline},
                           {"trigger", run.trigger},
                           {"state", run.state},
                           {"created", base::FormatTime(run.created)},
                           {"started", Time(run.started)},
                           {"ended", Time(run.ended)},
                           {"actor", run.actor},
                           {"message", run.message},
                           {"parameters", std::move(parameters)},
                           {"outputs", ToJson(run.outputs)},
                           {"steps", std::move(steps)}});
}

}  // namespace slipway::pipelines
