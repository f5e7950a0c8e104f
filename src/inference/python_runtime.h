// SPDX-License-Identifier: Apache-2.0
// Runtime "python": models that are Python code, each in worker processes of its own. What it reads
// of ModelConfig: instances (workers), inputs and outputs (where the model does not say),
// decoupled, max_batch_rows, parameters "style" and "entry" (see docs/runtimes.md).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/config.h"
#include "base/status.h"
#include "inference/runtime.h"

namespace slipway::inference {

struct PythonSettings {
  std::string folder;                   // of environments and of the unpacked worker; not a setting
  std::string interpreter = "python3";  // on PATH, or a path
  std::string environments = "none";  // "none": the interpreter's own; "venv": one for each version
  base::Duration environment_timeout{15 * base::kMinute};
  int64_t workers = 1;  // processes a model, where it does not say
  int64_t threads = 1;  // of numeric libraries inside a worker
  int64_t memory_mb = 8192;
  int64_t max_message_mb = 1024;
  bool network = false;
  base::Duration load_timeout{2 * base::kMinute};
  base::Duration run_timeout{base::kMinute};
  std::vector<std::string> pass_environment;
};
void Describe(base::Schema& schema, PythonSettings& settings);

// Load: kInvalidArgument (reason "bad_model"), kFailedPrecondition ("no_interpreter",
// "environment_failed"), kInternal ("worker_crashed", "worker_timeout").
// Run: kInternal ("model_raised", "worker_crashed", "worker_timeout", "worker_out_of_memory"),
// kUnavailable ("no_worker").
std::unique_ptr<Runtime> MakePythonRuntime(PythonSettings settings);

}  // namespace slipway::inference
