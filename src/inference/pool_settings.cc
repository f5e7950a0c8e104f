// SPDX-License-Identifier: Apache-2.0
// The settings of loading and scheduling.
#include <cstdint>

#include "base/config.h"
#include "inference/model_pool.h"

namespace slipway::inference {

void Describe(base::Schema& schema, PoolSettings& settings) {
  constexpr int64_t kMostRows = 1'000'000'000;
  schema.Add("inference.threads", &settings.threads, "Threads that run batches; 0: one a core.", 0,
             1024);
  schema.Add("inference.nice", &settings.nice,
             "How far the threads that run models stand back (as nice(1) has it), so that requests "
             "are read, refused and answered in time when cores are short.",
             0, 19);
  schema.Add("inference.load_nice", &settings.load_nice,
             "How far the threads that open and close models stand back: the more, the rarer a "
             "request waits for them, and the longer a change of version takes under full load.",
             0, 19);
  schema.Add("inference.max_batch_rows", &settings.max_batch_rows,
             "Rows of a batch at most; a larger request is split and joined again.", 1, kMostRows);
  schema.Add("inference.max_queue_rows", &settings.max_queue_rows,
             "Rows that may wait for a model; past it a request is refused (queue_full).", 1,
             kMostRows);
  schema.Add("inference.max_queue_ms", &settings.max_queue_ms,
             "A request that would wait longer than this (milliseconds) for its run is refused at "
             "once (overloaded), whatever its deadline; 0: its deadline alone decides.",
             0, 86'400'000);
  schema.Add("inference.inline_run_us", &settings.inline_run_us,
             "A run cheaper than this (microseconds) is done on the caller's thread when nothing "
             "waits; 0: never.",
             0, 1'000'000);
  schema.Add("inference.response_cache_mb", &settings.response_cache_mb,
             "Memory for answers to equal inputs, in MiB; 0: every request is run.", 0, 1LL << 20);
  schema.Add("inference.response_cache_all", &settings.response_cache_all,
             "Cache the answers of every model, not only of those whose config asks for it.");
  schema.Add("inference.recent_requests", &settings.recent_requests,
             "Requests of each model kept in memory to warm up the version that follows it; 0: "
             "none.",
             0, 64);
  schema.Add("inference.memory_budget_mb", &settings.memory_budget_mb,
             "Memory of all models in MiB, past which those that were not asked for longest are "
             "closed until they are asked again; 0: no limit.",
             0, 1LL << 30);
  schema.AddChoice("inference.load", &settings.load,
                   "When the models of the endpoints are opened: all when the server starts, or "
                   "each when it is first asked.",
                   {"at_start", "on_demand"});
  schema.Add("inference.probe_timeout_s", &settings.probe_timeout_s,
             "Seconds that the probe process may take to open a model and run it once.", 1, 3600);
  schema.Add("inference.probe_memory_mb", &settings.probe_memory_mb,
             "Address space of the probe process in MiB; 0: no limit.", 0, 1LL << 30);
}

}  // namespace slipway::inference
