// SPDX-License-Identifier: Apache-2.0
// Tune: which number of instances, of threads in a run and of rows in a batch serves a model best
// on this machine, found by trying them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/status.h"
#include "inference/model_pool.h"

namespace slipway::inference {

struct TuneTarget {
  double latency_ms = 0;   // that 99 of 100 requests are to keep; 0: any
  int64_t callers = 16;    // that send one request after the other
  int64_t trial_ms = 200;  // of measuring each combination
};
struct Trial {
  int64_t instances = 0;
  int64_t threads = 0;     // inside one run ("intra_op_threads"; not every runtime has them)
  int64_t batch_rows = 0;  // 0: requests are not put together
  double rows_per_s = 0;
  double p50_ms = 0, p99_ms = 0;
  bool best = false;
};
// Told before each combination: all of them, of which the first `done` are measured. False ends it.
using TuneProgress = std::function<bool(const std::vector<Trial>& trials, size_t done)>;
// Loads the model beside the one that is served, once for each combination, and asks it with
// `inputs` (not empty), which a caller sends in turn. The best: most rows a second among those
// within the target; the quickest when none is. Blocks for a few seconds. Errors of loading, of
// the first run that fails, and kCancelled (reason "tune_cancelled").
base::Result<std::vector<Trial>> Tune(ModelPool& pool, const ModelSource& source,
                                      const ModelDescription& description,
                                      const std::vector<Request>& inputs, const TuneTarget& target,
                                      const TuneProgress& progress = {});

// A trial as it is kept beside a version, and back: sets what it says in `config`.
// kInvalidArgument when it is no such text.
std::string SchedulingText(const Trial& trial);
base::Status ReadScheduling(const std::string& text, ModelConfig& config);
// The version's tag that keeps it.
inline constexpr const char* kSchedulingTag = "slipway.scheduling";

}  // namespace slipway::inference
