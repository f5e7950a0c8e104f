// SPDX-License-Identifier: Apache-2.0
// Spec: what a pipeline is. One subtree of the setting `pipelines` (or a YAML text of its own):
//   name: retrain
//   folder: examples/flights             # working directory; default: the server's
//   env: {SEED: "7"}
//   steps:
//     - name: train
//       run: [python3, train.py, --until, "${params.until}"]
//       needs: []                        # names of earlier steps
//       timeout: 10m
//       retries: {max: 1, backoff: 5s, lost: 3}
//       cache: off                       # on: skip when nothing it depends on changed
//       inputs: ["*.py"]                 # globs in `folder`, hashed for the cache
//       outputs: [model.onnx]            # files that the step leaves in ${SLIPWAY_RUN_FOLDER}
//   triggers: [{schedule: "0 3 * * *"}, {on_alert: quality}, {manual: true}]
//   debounce: 5m                         # a schedule's or alert's run waits so long and takes
//   further ones in cooldown: 1h                         # after a run: schedules and alerts are
//   refused so long
// In `run` and `env`: ${params.X}, ${outputs.STEP.KEY}, ${run.id}, ${run.folder}.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/status.h"
#include "pipelines/cron.h"

namespace slipway::pipelines {

inline constexpr size_t kMaxPipelines = 200;
inline constexpr size_t kMaxSteps = 100;
inline constexpr size_t kMaxArguments = 1000;

struct Retries {
  int64_t max = 0;  // further attempts after a failure
  base::Micros backoff =
      10 * base::kSecond;  // before the second attempt; doubled for each further one, at most 1 h
  int64_t lost = 3;        // further attempts after the server ended under the step
};

struct StepSpec {
  std::string name;
  std::vector<std::string> run;
  std::vector<std::string> needs;
  std::map<std::string, std::string> env;
  base::Micros timeout = base::kHour;
  Retries retries;
  bool cache = false;
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
};

struct Trigger {
  enum class Kind : uint8_t { kSchedule, kAlert, kManual } kind = Kind::kManual;
  std::string text;  // the schedule, or the alert rule's name
  Cron cron;         // kSchedule
};

struct PipelineSpec {
  std::string name;
  std::string folder;
  std::map<std::string, std::string> env;
  std::vector<StepSpec> steps;
  std::vector<Trigger> triggers;
  base::Micros debounce = 0;
  base::Micros cooldown = 0;
};

// kInvalidArgument with the field ("pipelines[0].steps[1].needs[0]") and what was expected: unknown
// key, unknown need, cycle, bad cron...
base::Result<PipelineSpec> ParsePipeline(const base::Json& spec, const std::string& field);
// The setting: a list of specs, or a mapping from name to spec; null is none.
base::Result<std::vector<PipelineSpec>> ParsePipelines(const base::Json& setting);
// The spec as YAML text (one pipeline).
base::Result<PipelineSpec> ParsePipelineYaml(const std::string& text);
base::Json ToJson(const PipelineSpec& spec);

// The steps by number in an order in which each follows what it needs (as written where possible).
std::vector<size_t> TopologicalOrder(const PipelineSpec& spec);

}  // namespace slipway::pipelines
