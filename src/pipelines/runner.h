// SPDX-License-Identifier: Apache-2.0
// Runner: the runs that wait or run, the thread that moves them on and the threads on which their
// steps run. What Pipelines is made of. Private to pipelines.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/threads.h"
#include "pipelines/pipelines.h"
#include "pipelines/run_store.h"

namespace slipway::pipelines {

struct FinishedStep {
  std::string pipeline;
  std::string run;
  size_t step = 0;
  StepResult result;
};

void Warn(const std::string& what, const base::Status& status);

struct Runner {
  using Also =
      std::function<base::Status(storage::Transaction&)>;  // more writes of the same transaction

  storage::Database& database;
  events::EventLog& events;
  base::Clock& clock;
  base::Clock& real_clock;
  base::Metrics& metrics;
  const std::unique_ptr<Executor> executor;
  const PipelineSettings settings;
  const PipelineSurroundings surroundings;  // data_folder is absolute

  std::mutex mutex;
  std::condition_variable wake;     // the control thread
  std::condition_variable changed;  // who waits for a run
  bool woken = false;
  bool stopping = true;  // until Start
  std::vector<PipelineSpec> specs;
  std::map<std::string, LiveRun> runs;  // by pipeline
  std::map<std::string, base::Micros> last_ends;
  Firings firings;
  std::map<std::pair<std::string, std::string>, base::Micros> next_due;
  std::deque<FinishedStep> finished;  // results not yet durable
  size_t running_steps = 0;

  std::atomic<bool> stop_steps{false};
  std::unique_ptr<base::ThreadPool> pool;
  std::thread control;

  base::Status Start();
  void Stop();

  // --- runner_triggers.cc; under mutex ---
  base::Result<std::string> TriggerNow(const TriggerRequest& request, const Also& also);
  base::Status BeginQueued(base::Micros now);
  base::Status FireSchedule(const PipelineSpec& spec, const Trigger& trigger, base::Micros now);
  base::Status Refusal(const TriggerRequest& request, base::Micros now) const;
  base::Result<std::string> Merge(LiveRun run, const TriggerRequest& request, base::Micros now,
                                  const Also& also);
  [[nodiscard]] const PipelineSpec* FindSpec(const std::string& name) const;

  // --- runner_facts.cc; inside a transaction ---
  base::Status AppendEvent(storage::Transaction& transaction, const LiveRun& run,
                           const std::string& type, const events::Actor& actor, base::Json data);
  base::Status AppendStarted(storage::Transaction& transaction, const LiveRun& run,
                             const events::Actor& actor);
  base::Status AppendStepFinished(storage::Transaction& transaction, const LiveRun& run,
                                  size_t step, std::string_view ending);
  base::Status WriteEnding(storage::Transaction& transaction, LiveRun& run);

  // --- runner.cc; under mutex ---
  void WakeControl();
  void Keep(LiveRun run);
  void RemoveOldFiles(const std::string& pipeline);
  base::Status TakeUp(LiveRun run);
  base::Status ReadAll();
  void Apply(LiveRun& run, const FinishedStep& done) const;
  base::Status WriteResult(const FinishedStep& done);
  base::Status Settle();
  base::Status BeginStep(const std::string& pipeline, size_t step);
  base::Status BeginSteps();
  [[nodiscard]] bool AnyBackoff() const;

  void Control();                 // the control thread
  void Work(const StepJob& job);  // a thread of the pool
};

}  // namespace slipway::pipelines
