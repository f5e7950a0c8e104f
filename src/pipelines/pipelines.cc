// SPDX-License-Identifier: Apache-2.0
// Walk of a version, step "retrain": the room's face: triggers in, records and logs out.
#include "pipelines/pipelines.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <ios>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/config.h"
#include "base/json.h"
#include "base/metrics.h"
#include "base/status.h"
#include "events/actor.h"
#include "events/events.h"
#include "pipelines/executor.h"
#include "pipelines/run_store.h"
#include "pipelines/runner.h"
#include "pipelines/spec.h"
#include "pipelines/step_run.h"
#include "storage/database.h"

namespace slipway::pipelines {

using base::Json;
using base::Result;
using base::Status;

namespace {

constexpr int64_t kMaxListed = 1000;
constexpr int64_t kLogTailBytes = 1 << 20;

// Steps run in folders of their own: what they are told must not depend on the server's.
PipelineSurroundings Absolute(PipelineSurroundings surroundings) {
  std::error_code error;
  const auto absolute = std::filesystem::absolute(surroundings.data_folder, error);
  if (!error) surroundings.data_folder = absolute.string();
  return surroundings;
}

}  // namespace

void Describe(base::Schema& schema, PipelineSettings& settings) {
  schema.AddJson("pipelines", &settings.pipelines,
                 "Pipelines: a list of {name, steps, triggers, ...} or a mapping from name to "
                 "that; see docs/pipelines.md.");
  schema.Add("pipeline.max_running_steps", &settings.max_running_steps,
             "Steps of all pipelines that may run at once.", 1, kMaxRunningSteps);
  schema.Add("pipeline.log_limit_bytes", &settings.log_limit_bytes,
             "A step whose log grows larger is ended.", 1024, int64_t{1} << 40);
  schema.Add(
      "pipeline.keep_runs", &settings.keep_runs,
      "Runs of each pipeline that keep their logs and files; the records of older ones stay.", 1,
      1000000);
}

struct Pipelines::State {
  const std::unique_ptr<Runner> runner;
};

Pipelines::Pipelines(storage::Database& database, events::EventLog& events, base::Clock& clock,
                     base::Clock& real_clock, base::Metrics& metrics,
                     std::unique_ptr<Executor> executor, PipelineSettings settings,
                     PipelineSurroundings surroundings)
    : state_(std::make_unique<State>(std::make_unique<Runner>(
          database, events, clock, real_clock, metrics, std::move(executor), std::move(settings),
          Absolute(std::move(surroundings))))) {}
Pipelines::~Pipelines() { Stop(); }

Status Pipelines::Start() { return state_->runner->Start(); }
void Pipelines::Stop() { state_->runner->Stop(); }

Status Pipelines::Tick(base::Micros now) {
  std::lock_guard lock(state_->runner->mutex);
  if (state_->runner->stopping) return Status::Ok();
  TRY(state_->runner->BeginQueued(now));
  for (const PipelineSpec& spec : state_->runner->specs) {
    for (const pipelines::Trigger& trigger : spec.triggers) {
      if (trigger.kind == pipelines::Trigger::Kind::kSchedule)
        TRY(state_->runner->FireSchedule(spec, trigger, now));
    }
  }
  return Status::Ok();
}

Result<std::string> Pipelines::Trigger(const TriggerRequest& request) {
  std::lock_guard lock(state_->runner->mutex);
  return state_->runner->TriggerNow(request, {});
}

std::vector<std::string> Pipelines::OnAlert(const std::string& rule, const Json& alert,
                                            const std::map<std::string, std::string>& parameters) {
  std::vector<std::string> ids;
  for (const PipelineSpec& spec : List()) {
    const bool named =
        std::any_of(spec.triggers.begin(), spec.triggers.end(), [&](const auto& trigger) {
          return trigger.kind == pipelines::Trigger::Kind::kAlert && trigger.text == rule;
        });
    if (!named) continue;
    TriggerRequest request;
    request.pipeline = spec.name;
    request.trigger = Json::MakeObject({{"kind", "alert"}, {"rule", rule}, {"alert", alert}});
    request.parameters = parameters;
    request.actor = events::Internal("alert/" + rule);
    auto id = Trigger(request);
    if (id.ok()) {
      ids.push_back(std::move(id).value());
    } else {
      Warn("alert " + rule + " does not start " + spec.name, id.status());
    }
  }
  return ids;
}

std::vector<PipelineSpec> Pipelines::List() const {
  std::lock_guard lock(state_->runner->mutex);
  return state_->runner->specs;
}

Result<std::vector<RunRecord>> Pipelines::Runs(const std::string& pipeline, int64_t limit) {
  std::vector<RunRecord> records;
  TRY(state_->runner->database.Read([&](storage::Transaction& transaction) -> Status {
    records = TRY(ReadRuns(transaction, pipeline, std::clamp<int64_t>(limit, 1, kMaxListed)));
    return Status::Ok();
  }));
  return records;
}

Result<RunRecord> Pipelines::Run(const std::string& id) {
  std::optional<RunRecord> record;
  TRY(state_->runner->database.Read([&](storage::Transaction& transaction) -> Status {
    record = TRY(ReadRun(transaction, id));
    return Status::Ok();
  }));
  if (!record) return base::NotFound("run_not_found", "there is no pipeline run \"" + id + "\"");
  return *record;
}

Result<std::string> Pipelines::Log(const std::string& id, const std::string& step,
                                   int64_t attempt) {
  const RunRecord record = TRY(Run(id));
  const auto found = std::find_if(record.steps.begin(), record.steps.end(),
                                  [&](const auto& row) { return row.name == step; });
  const int64_t number = attempt > 0 || found == record.steps.end() ? attempt : found->attempt;
  std::ifstream file;
  if (found != record.steps.end())
    file.open(PathsOf(state_->runner->surroundings, id).log(step, number), std::ios::binary);
  if (!file.is_open()) {
    return base::NotFound("log_not_found",
                          "run " + id + " has no log of step \"" + step + "\"" +
                              (attempt > 0 ? ", attempt " + std::to_string(attempt) : ""));
  }
  file.seekg(0, std::ios::end);
  const int64_t size = static_cast<int64_t>(file.tellg());
  file.seekg(std::max<int64_t>(0, size - kLogTailBytes));
  std::string text(static_cast<size_t>(std::min(size, kLogTailBytes)), '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  return text;
}

Result<RunRecord> Pipelines::WaitForRun(const std::string& id, base::Micros max_wait) {
  {
    std::unique_lock lock(state_->runner->mutex);
    const auto ended = [&] {
      return state_->runner->stopping ||
             std::none_of(state_->runner->runs.begin(), state_->runner->runs.end(),
                          [&](const auto& entry) { return entry.second.record.id == id; });
    };
    if (!state_->runner->changed.wait_for(lock, std::chrono::microseconds(max_wait), ended)) {
      return Status(base::Code::kDeadlineExceeded, "still_running",
                    "run " + id + " has not ended after " + base::FormatDuration(max_wait));
    }
  }
  return Run(id);
}

}  // namespace slipway::pipelines
