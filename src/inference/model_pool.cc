// SPDX-License-Identifier: Apache-2.0
// Loading a version: probe, open, warm up, hand out; and the way back.
#include "inference/model_pool.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/config.h"
#include "base/metrics.h"
#include "base/status.h"
#include "inference/pool/batched_model.h"
#include "inference/runtime.h"

namespace slipway::inference {
namespace {

constexpr std::array<double, 11> kRowBounds = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024};

size_t ThreadCount(const PoolSettings& settings) {
  if (settings.threads > 0) return static_cast<size_t>(settings.threads);
  return std::max(1U, std::thread::hardware_concurrency());
}

using LoadResult = base::Result<std::shared_ptr<LoadedModel>>;

}  // namespace

void Describe(base::Schema& schema, PoolSettings& settings) {
  constexpr int64_t kMostRows = 1'000'000'000;
  schema.Add("inference.threads", &settings.threads, "Threads that run batches; 0: one a core.", 0,
             1024);
  schema.Add("inference.max_batch_rows", &settings.max_batch_rows,
             "Rows of a batch at most; a larger request is split and joined again.", 1, kMostRows);
  schema.Add("inference.max_queue_rows", &settings.max_queue_rows,
             "Rows that may wait for a model; past it a request is refused (queue_full).", 1,
             kMostRows);
  schema.Add("inference.inline_run_us", &settings.inline_run_us,
             "A run cheaper than this (microseconds) is done on the caller's thread when nothing "
             "waits; 0: never.",
             0, 1'000'000);
  schema.Add("inference.probe_timeout_s", &settings.probe_timeout_s,
             "Seconds that the probe process may take to open a model and run it once.", 1, 3600);
  schema.Add("inference.probe_memory_mb", &settings.probe_memory_mb,
             "Address space of the probe process in MiB; 0: no limit.", 0, 1LL << 30);
}

struct ModelPool::State {
  State(const PoolSettings& pool_settings, std::vector<std::unique_ptr<Runtime>> pool_runtimes,
        base::Metrics& pool_metrics, Prober prober)
      : runtimes(std::move(pool_runtimes)),
        metrics(pool_metrics),
        loaded_gauge(metrics.GetGauge("slipway_inference_models_loaded",
                                      "Models that can be asked at once.")),
        probe(std::move(prober)),
        workers(std::make_shared<pool::Workers>(pool_settings, ThreadCount(pool_settings))) {}

  pool::ModelMetrics MetricsOf(const std::string& key) {
    const base::Labels labels = {{"model", key}};
    return {metrics.GetHistogram("slipway_inference_queue_seconds",
                                 "Time that a request waited for a batch.", base::LatencyBounds(),
                                 labels),
            metrics.GetHistogram("slipway_inference_run_seconds",
                                 "Time of one run of the model, of a whole batch.",
                                 base::LatencyBounds(), labels),
            metrics.GetHistogram("slipway_inference_batch_rows", "Rows of one run of the model.",
                                 kRowBounds, labels)};
  }

  LoadResult Open(const ModelSource& source);
  std::shared_ptr<pool::Workers> WaitingThreads(int64_t count);
  void Count() { loaded_gauge.Set(static_cast<double>(models.size())); }  // with `mutex` held

  const std::vector<std::unique_ptr<Runtime>> runtimes;
  base::Metrics& metrics;
  base::Gauge& loaded_gauge;
  const Prober probe;
  const std::shared_ptr<pool::Workers> workers;
  mutable std::shared_mutex mutex;  // over the three below
  std::map<std::string, std::shared_ptr<LoadedModel>> models;
  std::map<std::string, std::shared_future<LoadResult>> loading;
  bool stopped = false;
  std::vector<std::weak_ptr<pool::Workers>> waiting;  // of models that run elsewhere
};

// A model whose runs are waited for must not hold up those that need a core.
std::shared_ptr<pool::Workers> ModelPool::State::WaitingThreads(int64_t count) {
  auto own = std::make_shared<pool::Workers>(workers->settings, static_cast<size_t>(count));
  std::unique_lock lock(mutex);
  std::erase_if(waiting, [](const auto& one) { return one.expired(); });
  waiting.push_back(own);
  return own;
}

LoadResult ModelPool::State::Open(const ModelSource& source) {
  const auto runtime =
      std::ranges::find(runtimes, source.runtime, [](const auto& one) { return one->name(); });
  if (runtime == runtimes.end()) {
    std::string names;
    for (const auto& one : runtimes)
      names += (names.empty() ? "" : ", ") + std::string(one->name());
    return base::InvalidArgument(
        "runtime",
        "no runtime '" + source.runtime + "'; there is " + (names.empty() ? "none" : names),
        "unknown_runtime");
  }
  if (probe && (*runtime)->probed()) TRY(probe(source, **runtime));
  auto session = TRY((*runtime)->Load(source));
  const int64_t elsewhere = session->runs_elsewhere();
  auto model = std::make_shared<pool::BatchedModel>(
      source.key, source.config, std::move(session),
      elsewhere > 0 ? WaitingThreads(elsewhere) : workers, MetricsOf(source.key));
  TRY(model->WarmUp(source.warmup));
  return std::shared_ptr<LoadedModel>(std::move(model));
}

ModelPool::ModelPool(PoolSettings settings, std::vector<std::unique_ptr<Runtime>> runtimes,
                     base::Metrics& metrics, Prober probe)
    : state_(std::make_unique<State>(std::move(settings), std::move(runtimes), metrics,
                                     std::move(probe))) {}

ModelPool::~ModelPool() { Stop(); }

base::Result<std::shared_ptr<LoadedModel>> ModelPool::Load(const ModelSource& source) {
  std::promise<LoadResult> promise;
  std::shared_future<LoadResult> other;
  {
    std::unique_lock lock(state_->mutex);
    if (state_->stopped) return base::Unavailable("pool_stopped", "the model pool is stopping");
    if (const auto found = state_->models.find(source.key); found != state_->models.end())
      return found->second;
    const auto [at, first] = state_->loading.try_emplace(source.key);
    if (first) {
      at->second = promise.get_future().share();
    } else {
      other = at->second;
    }
  }
  if (other.valid()) return other.get();
  LoadResult result = state_->Open(source);
  {
    std::unique_lock lock(state_->mutex);
    state_->loading.erase(source.key);
    if (result.ok()) state_->models[source.key] = *result;
    state_->Count();
  }
  promise.set_value(result);
  return result;
}

std::shared_ptr<LoadedModel> ModelPool::Find(const std::string& key) const {
  std::shared_lock lock(state_->mutex);
  const auto found = state_->models.find(key);
  return found == state_->models.end() ? nullptr : found->second;
}

void ModelPool::Unload(const std::string& key) {
  std::shared_ptr<LoadedModel> last;  // let go without the lock: freeing a model takes time
  std::unique_lock lock(state_->mutex);
  const auto found = state_->models.find(key);
  if (found == state_->models.end()) return;
  last = std::move(found->second);
  state_->models.erase(found);
  state_->Count();
  lock.unlock();
}

std::vector<std::string> ModelPool::Loaded() const {
  std::shared_lock lock(state_->mutex);
  std::vector<std::string> keys;
  for (const auto& [key, model] : state_->models) keys.push_back(key);
  return keys;
}

void ModelPool::Stop() {
  std::vector<std::weak_ptr<pool::Workers>> waiting;
  {
    std::unique_lock lock(state_->mutex);
    state_->stopped = true;
    waiting.swap(state_->waiting);
  }
  state_->workers->threads.Stop();
  for (const auto& one : waiting) {
    if (const auto own = one.lock()) own->threads.Stop();
  }
}

}  // namespace slipway::inference
