// SPDX-License-Identifier: Apache-2.0
// Runs, steps, cache and schedules as rows. Private to pipelines.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "pipelines/pipelines.h"
#include "pipelines/run_machine.h"
#include "pipelines/step_run.h"
#include "storage/database.h"

namespace slipway::pipelines {

// A run that waits or runs, as it is held in memory.
struct LiveRun {
  RunRecord record;
  PipelineSpec spec;
  Progress progress;            // in the spec's order, as record.steps
  base::Micros not_before = 0;  // of the product's clock: the end of the debounce
};

base::Status InsertRun(storage::Transaction& transaction, const LiveRun& run);
base::Status UpdateRun(storage::Transaction& transaction, const LiveRun& run);  // all but its steps
base::Status UpdateStep(storage::Transaction& transaction, const LiveRun& run, size_t step);
base::Status SetStepPid(storage::Transaction& transaction, const std::string& run,
                        const std::string& step, int64_t pid);

base::Result<std::vector<LiveRun>> ReadLiveRuns(storage::Transaction& transaction);
base::Result<std::vector<RunRecord>> ReadRuns(storage::Transaction& transaction,
                                              const std::string& pipeline, int64_t limit);
base::Result<std::optional<RunRecord>> ReadRun(storage::Transaction& transaction,
                                               const std::string& id);
// Pipeline -> when its last run ended.
base::Result<std::map<std::string, base::Micros>> ReadLastEnds(storage::Transaction& transaction);
// Ended runs beyond the newest `keep` of the pipeline; at most 20.
base::Result<std::vector<std::string>> ReadOldRuns(storage::Transaction& transaction,
                                                   const std::string& pipeline, int64_t keep);

base::Result<std::optional<CacheEntry>> ReadCache(storage::Transaction& transaction,
                                                  const std::string& key);
base::Status SaveCache(storage::Transaction& transaction, const CacheEntry& entry,
                       const std::string& step, base::Micros now);

// (pipeline, schedule) -> up to when it has fired.
using Firings = std::map<std::pair<std::string, std::string>, base::Micros>;
base::Result<Firings> ReadFirings(storage::Transaction& transaction);
base::Status SaveFiring(storage::Transaction& transaction, const std::string& pipeline,
                        const std::string& schedule, base::Micros fired);

base::Json ToJson(const StepOutputs& outputs);

}  // namespace slipway::pipelines
