// SPDX-License-Identifier: Apache-2.0
// Walk of a version, step "retrain": steps begin when their intent is durable, and their result is
// durable before the next.
#include "pipelines/runner.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/status.h"
#include "pipelines/pipelines.h"
#include "pipelines/run_machine.h"
#include "pipelines/run_store.h"
#include "pipelines/spec.h"
#include "pipelines/step_run.h"
#include "storage/database.h"

namespace slipway::pipelines {

using base::Status;

namespace {

constexpr auto kBackoffLook =
    std::chrono::milliseconds(50);  // the real clock may be driven: it is looked at, not slept on
constexpr auto kTroubleLook = std::chrono::seconds(1);  // until the database takes writes again

}  // namespace

void Warn(const std::string& what, const Status& status) {
  base::Log(base::LogLevel::kWarning, "pipelines", what + ": " + status.ToString());
}

void Runner::WakeControl() {
  woken = true;
  wake.notify_all();
}

void Runner::Keep(LiveRun run) {
  const std::string pipeline = run.record.pipeline;
  if (!run.record.ended) {
    runs[pipeline] = std::move(run);
  } else {
    metrics
        .GetCounter("slipway_pipelines_runs", "Runs that have ended.",
                    {{"pipeline", pipeline}, {"state", run.record.state}})
        .Add();
    last_ends[pipeline] = *run.record.ended;
    runs.erase(pipeline);
    RemoveOldFiles(pipeline);
  }
  metrics.GetGauge("slipway_pipelines_active_runs", "Runs that wait or run.")
      .Set(static_cast<double>(runs.size()));
  changed.notify_all();
}

void Runner::RemoveOldFiles(const std::string& pipeline) {
  std::vector<std::string> old;
  const Status read = database.Read([&](storage::Transaction& transaction) -> Status {
    old = TRY(ReadOldRuns(transaction, pipeline, settings.keep_runs));
    return Status::Ok();
  });
  if (!read.ok()) Warn("old runs", read);
  for (const std::string& id : old) {
    std::error_code error;
    std::filesystem::remove_all(PathsOf(surroundings, id).folder, error);
  }
}

Status Runner::TakeUp(LiveRun run) {
  std::vector<size_t> lost;
  for (size_t i = 0; i < run.progress.size(); ++i) {
    if (run.progress[i].state != StepState::kRunning) continue;
    run.progress[i] = AfterEnding(run.spec.steps[i], run.progress[i], Ending::kLost, 0);
    StepRecord& record = run.record.steps[i];
    record.state = StepStateName(run.progress[i].state);
    record.message = "was lost: the server ended under it";
    record.ended = clock.Now();
    run.record.message = "step \"" + record.name + "\" " + record.message;
    lost.push_back(i);
  }
  TRY(database.Write([&](storage::Transaction& transaction) -> Status {
    for (const size_t step : lost) {
      TRY(UpdateStep(transaction, run, step));
      TRY(AppendStepFinished(transaction, run, step, "lost"));
    }
    return run.record.state == "running" ? WriteEnding(transaction, run) : Status::Ok();
  }));
  Keep(std::move(run));
  return Status::Ok();
}

Status Runner::ReadAll() {
  std::vector<LiveRun> live;
  TRY(database.Read([&](storage::Transaction& transaction) -> Status {
    live = TRY(ReadLiveRuns(transaction));
    last_ends = TRY(ReadLastEnds(transaction));
    firings = TRY(ReadFirings(transaction));
    return Status::Ok();
  }));
  for (LiveRun& run : live) TRY(TakeUp(std::move(run)));
  return Status::Ok();
}

void Runner::Apply(LiveRun& run, const FinishedStep& done) const {
  StepRecord& record = run.record.steps[done.step];
  StepProgress& progress = run.progress[done.step];
  progress = AfterEnding(run.spec.steps[done.step], progress, done.result.ending, real_clock.Now());
  record.state = StepStateName(progress.state);
  record.ended = clock.Now();
  record.exit_status = done.result.exit_status;
  record.cached = done.result.cached;
  record.message = done.result.message;
  if (!done.result.outputs.empty()) run.record.outputs[record.name] = done.result.outputs;
  if (progress.state == StepState::kFailed || progress.state == StepState::kLost) {
    run.record.message = "step \"" + record.name + "\" " + record.message;
  }
}

Status Runner::WriteResult(const FinishedStep& done) {
  LiveRun run = runs.at(done.pipeline);
  Apply(run, done);
  const std::string_view ending = done.result.ending == Ending::kSucceeded ? "succeeded" : "failed";
  TRY(database.Write([&](storage::Transaction& transaction) -> Status {
    TRY(UpdateStep(transaction, run, done.step));
    if (done.result.cache_entry) {
      TRY(SaveCache(transaction, *done.result.cache_entry, run.spec.steps[done.step].name,
                    clock.Now()));
    }
    TRY(AppendStepFinished(transaction, run, done.step, ending));
    return WriteEnding(transaction, run);
  }));
  metrics
      .GetCounter("slipway_pipelines_steps", "Attempts of steps that have ended.",
                  {{"pipeline", done.pipeline}, {"state", std::string(ending)}})
      .Add();
  Keep(std::move(run));
  return Status::Ok();
}

// A result that cannot be written stays first in line.
Status Runner::Settle() {
  while (!finished.empty()) {
    if (!finished.front().result.stopped) TRY(WriteResult(finished.front()));
    finished.pop_front();
    --running_steps;
  }
  return Status::Ok();
}

// The intent is durable before the step begins.
Status Runner::BeginStep(const std::string& pipeline, size_t step) {
  LiveRun run = runs.at(pipeline);
  StepRecord& record = run.record.steps[step];
  run.progress[step].state = StepState::kRunning;
  record.attempt = ++run.progress[step].attempt;
  record.state = "running";
  record.started = clock.Now();
  record.ended.reset();
  record.exit_status.reset();
  record.message.clear();
  TRY(database.Write(
      [&](storage::Transaction& transaction) { return UpdateStep(transaction, run, step); }));
  StepJob job{
      run.record.id,      run.spec,           step,           record.attempt, run.record.parameters,
      run.record.outputs, run.record.trigger, *record.started};
  Keep(std::move(run));
  ++running_steps;
  return pool->Submit([this, job = std::move(job)] { Work(job); });
}

Status Runner::BeginSteps() {
  std::vector<std::string> pipelines;
  for (const auto& [pipeline, run] : runs) {
    if (run.record.state == "running") pipelines.push_back(pipeline);
  }
  for (const std::string& pipeline : pipelines) {
    const auto most = static_cast<size_t>(settings.max_running_steps);
    const size_t free = most > running_steps ? most - running_steps : 0;
    const LiveRun& run = runs.at(pipeline);
    for (const size_t step : ReadyToBegin(run.spec, run.progress, real_clock.Now(), free)) {
      TRY(BeginStep(pipeline, step));
    }
  }
  return Status::Ok();
}

bool Runner::AnyBackoff() const {
  return std::any_of(runs.begin(), runs.end(), [&](const auto& entry) {
    return NextBackoff(entry.second.progress, real_clock.Now()).has_value();
  });
}

void Runner::Control() {
  std::unique_lock lock(mutex);
  while (!stopping) {
    woken = false;
    Status status = Settle();
    if (status.ok()) status = BeginSteps();
    if (!status.ok()) Warn("trying again", status);
    const auto ready = [&] { return woken || stopping; };
    if (!status.ok()) {
      wake.wait_for(lock, kTroubleLook, [&] { return stopping; });
    } else if (AnyBackoff()) {
      wake.wait_for(lock, kBackoffLook, ready);
    } else {
      wake.wait(lock, ready);
    }
  }
}

void Runner::Work(const StepJob& job) {
  const std::string& step = job.spec.steps[job.step].name;
  StepTools tools{*executor, surroundings, settings.log_limit_bytes, {}, {}, stop_steps};
  tools.find_cached = [&](const std::string& key) {
    std::optional<CacheEntry> entry;
    const Status read = database.Read([&](storage::Transaction& transaction) -> Status {
      entry = TRY(ReadCache(transaction, key));
      return Status::Ok();
    });
    if (!read.ok()) Warn("cache", read);
    return entry;
  };
  tools.started = [&](int64_t pid) {
    const Status written = database.Write([&](storage::Transaction& transaction) {
      return SetStepPid(transaction, job.run_id, step, pid);
    });
    if (!written.ok()) Warn("process id", written);
  };
  StepResult result = RunStep(job, tools);
  std::lock_guard lock(mutex);
  finished.push_back({job.spec.name, job.run_id, job.step, std::move(result)});
  WakeControl();
}

Status Runner::Start() {
  std::lock_guard lock(mutex);
  specs = TRY(ParsePipelines(settings.pipelines));
  TRY(ReadAll());
  stopping = false;
  stop_steps = false;
  pool = std::make_unique<base::ThreadPool>(
      "pipeline", static_cast<size_t>(settings.max_running_steps), kMaxRunningSteps);
  control = std::thread([this] { Control(); });
  return Status::Ok();
}

void Runner::Stop() {
  {
    std::lock_guard lock(mutex);
    stopping = true;
    wake.notify_all();
    changed.notify_all();
  }
  stop_steps = true;
  if (control.joinable()) control.join();
  if (pool) pool->Stop();
  std::lock_guard lock(mutex);
  const Status settled = Settle();
  if (!settled.ok()) Warn("results not kept", settled);
}

}  // namespace slipway::pipelines
