// SPDX-License-Identifier: Apache-2.0
// Pipelines: runs commands in order when a person, a schedule or an alert asks, and remembers what
// it did: the intent to run a step is durable before its process starts, its result after. A run
// that a crash interrupted goes on: steps done stay done.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/config.h"
#include "base/json.h"
#include "base/metrics.h"
#include "base/status.h"
#include "events/events.h"
#include "pipelines/executor.h"
#include "pipelines/spec.h"
#include "storage/database.h"

namespace slipway::pipelines {

inline constexpr int64_t kMaxRunningSteps = 64;  // what the setting may be at most

struct PipelineSettings {
  base::Json pipelines;                // see spec.h
  int64_t max_running_steps = 2;       // of all pipelines together
  int64_t log_limit_bytes = 64 << 20;  // a step's log
  int64_t keep_runs = 200;             // of each pipeline: older ones lose their logs and files
};
void Describe(base::Schema& schema, PipelineSettings& settings);

// What steps are told of the server.
struct PipelineSurroundings {
  // SLIPWAY_URL, MLFLOW_TRACKING_URI and MLFLOW_REGISTRY_URI; asked when a step starts, because the
  // port may be known only after the start.
  std::function<std::string()> server_url;
  std::string data_folder;  // logs and scratch folders go below <data_folder>/pipelines
};

struct StepRecord {
  std::string name;
  std::string state;  // "waiting", "running", "succeeded", "failed", "lost", "skipped"
  int64_t attempt = 0;
  std::optional<base::Micros> started;
  std::optional<base::Micros> ended;
  std::optional<int64_t> exit_status;
  bool cached = false;
  std::string message;
};

struct RunRecord {
  std::string id;  // ULID
  std::string pipeline;
  base::Json trigger;  // {"kind": "manual" | "schedule" | "alert", ...}
  std::string state;   // "queued", "running", "succeeded", "failed", "lost"
  base::Micros created = 0;
  std::optional<base::Micros> started;
  std::optional<base::Micros> ended;
  std::string actor;
  std::string message;
  std::map<std::string, std::string> parameters;
  std::map<std::string, std::map<std::string, std::string>>
      outputs;  // step -> KEY -> value, as written to $SLIPWAY_OUTPUT
  std::vector<StepRecord> steps;
};
base::Json ToJson(const RunRecord& run);

struct TriggerRequest {
  std::string pipeline;
  // {"kind": "manual"} or {"kind": "alert", "rule": ..., ...}: given to the steps as
  // SLIPWAY_TRIGGER. A manual one waits for no debounce or cooldown.
  base::Json trigger;
  std::map<std::string, std::string> parameters;  // names: letters, digits, '_'; at most 100
  events::Actor actor;
};

// Thread-safe.
class Pipelines {
 public:
  // `clock` is the product's (schedules, debounce, cooldown, records); `real_clock` times the
  // backoff between attempts, also while the product's clock stands still. The executor is owned.
  Pipelines(storage::Database& database, events::EventLog& events, base::Clock& clock,
            base::Clock& real_clock, base::Metrics& metrics, std::unique_ptr<Executor> executor,
            PipelineSettings settings, PipelineSurroundings surroundings);
  ~Pipelines();  // Stop()
  // Reads the setting (a bad one is an error naming the field), takes up what was interrupted.
  base::Status Start();
  // Ends running steps; they count as lost, and the next Start goes on.
  void Stop();
  // Fires schedules that are due, starts runs whose debounce is over. Cheap; each second in the
  // product.
  base::Status Tick(base::Micros now);

  // The new run's id, or that of the waiting run that took this trigger in. Refusals: kNotFound
  // "pipeline_not_found"; kFailedPrecondition "already_running", "cooldown"; kInvalidArgument for a
  // bad parameter.
  base::Result<std::string> Trigger(const TriggerRequest& request);
  // Triggers every pipeline that names the alert rule; the ids of their runs. Refusals are logged,
  // not returned.
  std::vector<std::string> OnAlert(const std::string& rule, const base::Json& alert,
                                   const std::map<std::string, std::string>& parameters);

  [[nodiscard]] std::vector<PipelineSpec> List() const;
  base::Result<std::vector<RunRecord>> Runs(const std::string& pipeline,
                                            int64_t limit = 100);  // newest first; "" for all
  base::Result<RunRecord> Run(const std::string& id);              // kNotFound "run_not_found"
  // The last megabyte of a step's last attempt (attempt 0) or of the given one. kNotFound
  // "log_not_found".
  base::Result<std::string> Log(const std::string& id, const std::string& step,
                                int64_t attempt = 0);
  // Blocks until the run has ended, or `max_wait` of real time: kDeadlineExceeded.
  base::Result<RunRecord> WaitForRun(const std::string& id, base::Micros max_wait);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace slipway::pipelines
