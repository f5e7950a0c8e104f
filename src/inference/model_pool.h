// SPDX-License-Identifier: Apache-2.0
// ModelPool: loaded models by key, shared by requests, with warm-up at load, a batcher for each,
// and drain at unload.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/config.h"
#include "base/metrics.h"
#include "base/threads.h"
#include "inference/runtime.h"

namespace slipway::inference {

struct PoolSettings {
  int64_t threads = 0;           // inference threads; 0: one a core
  int64_t nice = 5;              // theirs: I/O threads go before them
  int64_t load_nice = 15;        // of threads that open and close models, and of the probe
  int64_t max_batch_rows = 128;  // a batch never exceeds it; a larger request is split
  int64_t max_queue_rows =
      20000;  // waiting rows a model; past it kResourceExhausted (reason "queue_full")
  // A request whose wait for a run would be longer is refused at once (reason "overloaded"), as is
  // one that would miss its deadline; 0: only its deadline decides.
  int64_t max_queue_ms = 10000;
  int64_t inline_run_us =
      200;  // a warm run that is cheaper than this runs on the caller's thread when nothing waits
  // Answers kept for equal inputs, of models whose config asks for it or of all; 0: none.
  int64_t response_cache_mb = 0;
  bool response_cache_all = false;
  int64_t recent_requests = 4;  // kept of each model, to warm up the version that follows it
  // Past it the models that were not asked for longest are closed, and opened again when they are;
  // 0: no limit.
  int64_t memory_budget_mb = 0;
  std::string load = "at_start";   // or "on_demand": a model is opened when it is first asked
  int64_t probe_timeout_s = 30;    // a model is first loaded in a probe process: crash, hang or
                                   // memory blow-up there is a refusal
  int64_t probe_memory_mb = 4096;  // address space of the probe process; 0: no limit
};
void Describe(base::Schema& schema, PoolSettings& settings);

struct RunTiming {
  int64_t queue_ns = 0;
  int64_t run_ns = 0;   // of the whole batch
  bool cached = false;  // answered from the response cache: no run
};
using RunDone = std::function<void(base::Result<Response>, RunTiming)>;
// One of a request's answers; `last`: there will be no more. A failure is always the last.
using RunPart = std::function<void(base::Result<Response>, RunTiming, bool last)>;

struct RunOptions {
  int64_t deadline_ns = 0;  // base::MonotonicNanos; not run once past; 0: none
  int64_t priority = 0;     // 1 is first; 0: the model's default
  std::string caller = {};  // whose share of the queue it takes; empty: nobody's in particular
  // Set by the caller when nobody waits for the answer any more; read before the run.
  std::shared_ptr<const std::atomic<bool>> cancelled = {};
};

struct CountedTime {
  uint64_t count = 0;
  uint64_t ns = 0;
};
// Of one loaded model since it was loaded; nothing in it ever falls. Counts are requests unless
// they say otherwise.
struct ModelStatistics {
  int64_t last_run_ms = 0;         // Unix time; 0: never
  uint64_t inference_count = 0;    // rows that were run
  uint64_t execution_count = 0;    // runs: of a batch, one
  CountedTime success, fail;       // from arrival to answer
  CountedTime queue;               // until the run
  CountedTime input, run, output;  // stacking, the model, cutting apart
  CountedTime cache_hit, cache_miss;
  struct Batch {
    int64_t rows = 0;
    CountedTime input, run, output;
  };
  std::vector<Batch> batches;  // by rows of a run, rising
};

// A loaded model. Kept alive by whoever holds it; unloads when the pool and the last request let
// go. A request runs at once on the caller's thread when the model is cheap and nothing waits; else
// it waits for a pool thread, which takes all that waits (up to max_batch_rows, of one form) as one
// batch. One bad request never fails its neighbours.
class LoadedModel {
 public:
  virtual ~LoadedModel() = default;
  [[nodiscard]] virtual const ModelDescription& description() const = 0;
  [[nodiscard]] virtual const ModelConfig& config() const = 0;
  // Calls `done` exactly once, inline or from a pool thread. Errors: kInvalidArgument (as
  // Session::Run), kDeadlineExceeded (reason "deadline_exceeded"), kCancelled ("caller_gone"),
  // kResourceExhausted ("queue_full", "overloaded": try again when it says), kUnavailable
  // ("pool_stopped"), kInternal
  // ("run_failed").
  virtual void Run(Request request, RunOptions options, RunDone done) = 0;
  // The same for a model with any number of answers: `part` is called at least once, never twice at
  // a time, and not again after `last`.
  virtual void RunStream(Request request, RunOptions options, RunPart part) = 0;
  [[nodiscard]] virtual ModelStatistics Statistics() const = 0;
  // False until a model that is opened on demand was open once: description() and config() are
  // empty before. Prepare opens it, calling `then` inline when it is open or from another thread.
  [[nodiscard]] virtual bool described() const { return true; }
  virtual void Prepare(std::function<void(base::Status)> then) { then(base::Status::Ok()); }
  [[nodiscard]] virtual int64_t memory_bytes() const { return 0; }  // 0: not known, or closed
  // Some of the requests that it answered lately, newest first.
  [[nodiscard]] virtual std::vector<Request> Recent() const { return {}; }
};

// Opens a model somewhere safe before this process does: Ok, or why it is refused. Called from any
// thread. ExecProbe (inference/probe.h) is the one of the product; an empty one opens models here
// at once.
using Prober = std::function<base::Status(const ModelSource&, const Runtime&)>;

// Thread-safe.
class ModelPool {
 public:
  ModelPool(PoolSettings settings, std::vector<std::unique_ptr<Runtime>> runtimes,
            base::Metrics& metrics, Prober probe = {});
  ~ModelPool();
  // Blocks while loading (probe, load, warm-up); the same key is loaded once. kInvalidArgument:
  // field "runtime" (unknown), or "model" with reason "probe_failed", "bad_model",
  // "external_data_escapes" or "warmup_failed".
  base::Result<std::shared_ptr<LoadedModel>> Load(const ModelSource& source);
  // As Load, also when the key is loaded: what was loaded before goes when its last request ends.
  base::Result<std::shared_ptr<LoadedModel>> Replace(const ModelSource& source);
  // At once: the model is opened when it is first asked, by what `find` says then (called from a
  // loading thread, and again each time it is opened). Requests that come meanwhile wait for it.
  using FindSource = std::function<base::Result<ModelSource>()>;
  std::shared_ptr<LoadedModel> LoadOnDemand(const std::string& key, FindSource find);
  [[nodiscard]] std::shared_ptr<LoadedModel> Find(
      const std::string& key) const;                      // nullptr when not loaded
  void Unload(const std::string& key);                    // requests in flight finish
  [[nodiscard]] std::vector<std::string> Loaded() const;  // open now
  // Runs what waits, then only inline runs go on. Idempotent.
  void Stop();

 private:
  struct State;
  base::Status OpenNow(LoadedModel& model, const std::string& key);
  std::shared_ptr<State> state_;
};

}  // namespace slipway::inference
