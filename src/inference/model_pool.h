// SPDX-License-Identifier: Apache-2.0
// ModelPool: loaded models by key, shared by requests, with warm-up at load, a batcher for each, and drain at unload.
#pragma once

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
  OnnxSettings onnx;
  int64_t threads = 0;             // inference threads; 0: one a core
  int64_t max_batch_rows = 128;    // a batch never exceeds it; a larger request is split
  int64_t max_queue_rows = 20000;  // waiting rows a model; past it kResourceExhausted (reason "queue_full")
  int64_t inline_run_us = 200;     // a warm run of one row that is cheaper than this runs on the caller's thread when idle
  int64_t probe_timeout_s = 30;    // a model is first loaded in a probe process: crash, hang or memory blow-up there is a refusal
};
void Describe(base::Schema& schema, PoolSettings& settings);

struct RunTiming {
  int64_t queue_ns = 0;
  int64_t run_ns = 0;
};
using RunDone = std::function<void(base::Result<Response>, RunTiming)>;

// A loaded model. Kept alive by whoever holds it; unloads when the pool and the last request let go.
class LoadedModel {
 public:
  virtual ~LoadedModel() = default;
  virtual const ModelDescription& description() const = 0;
  // Calls `done` exactly once, inline or from a pool thread. `deadline_ns` (base::MonotonicNanos; 0: none): not run once past.
  virtual void Run(Request request, int64_t deadline_ns, RunDone done) = 0;
};

struct ModelSource {
  std::string key;      // "flights/3": unique per version
  std::string runtime;  // "onnx"
  std::string path;     // local model file
  std::vector<Request> warmup;  // recorded inputs run once before the model is handed out; may be empty
};

// Thread-safe.
class ModelPool {
 public:
  ModelPool(PoolSettings settings, std::vector<std::unique_ptr<Runtime>> runtimes, base::Metrics& metrics);
  ~ModelPool();
  // Blocks while loading (probe, load, warm-up); the same key is loaded once.
  base::Result<std::shared_ptr<LoadedModel>> Load(const ModelSource& source);
  std::shared_ptr<LoadedModel> Find(const std::string& key) const;  // nullptr when not loaded
  void Unload(const std::string& key);  // requests in flight finish
  std::vector<std::string> Loaded() const;
  void Stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace slipway::inference
