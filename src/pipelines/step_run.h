// SPDX-License-Identifier: Apache-2.0
// One attempt of a step: its command and environment, the cache, the executor, and what the step
// left. Private to pipelines.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "base/json.h"
#include "pipelines/executor.h"
#include "pipelines/pipelines.h"
#include "pipelines/run_machine.h"
#include "pipelines/spec.h"
#include "pipelines/template.h"

namespace slipway::pipelines {

inline constexpr int64_t kMaxOutputBytes = 64 << 10;  // of $SLIPWAY_OUTPUT
inline constexpr size_t kMaxInputFiles = 10000;

struct StepJob {
  std::string run_id;
  PipelineSpec spec;
  size_t step = 0;
  int64_t attempt = 1;
  std::map<std::string, std::string> parameters;
  StepOutputs outputs;  // of the steps before
  base::Json trigger;
  base::Micros now = 0;  // of the product's clock
};

struct CacheEntry {
  std::string key;
  std::string run;
  std::map<std::string, std::string> outputs;
  std::map<std::string, std::string> files;  // declared output file -> SHA-256
};

struct StepResult {
  bool stopped = false;  // with the server: says nothing about the step
  Ending ending = Ending::kFailed;
  std::optional<int64_t> exit_status;
  bool cached = false;
  std::string message;
  std::map<std::string, std::string> outputs;
  std::optional<CacheEntry> cache_entry;  // to be kept
};

// Where a run keeps its files, below <data>/pipelines/<run>/.
struct RunPaths {
  std::string folder;
  [[nodiscard]] std::string work() const { return folder + "/work"; }
  [[nodiscard]] std::string log(const std::string& step, int64_t attempt) const;
  [[nodiscard]] std::string output(const std::string& step, int64_t attempt) const;
};
RunPaths PathsOf(const PipelineSurroundings& surroundings, const std::string& run_id);

struct StepTools {
  Executor& executor;
  const PipelineSurroundings& surroundings;
  int64_t log_limit_bytes = 0;
  std::function<std::optional<CacheEntry>(const std::string& key)> find_cached;
  std::function<void(int64_t pid)> started;
  const std::atomic<bool>& stop;
};

// Blocks until the attempt has ended.
StepResult RunStep(const StepJob& job, const StepTools& tools);

// KEY=VALUE lines; kInvalidArgument naming the line.
base::Result<std::map<std::string, std::string>> ParseOutputs(const std::string& text);
std::map<std::string, std::string> StepEnvironment(const StepJob& job,
                                                   const PipelineSurroundings& surroundings);

}  // namespace slipway::pipelines
