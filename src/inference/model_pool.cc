// SPDX-License-Identifier: Apache-2.0
// Loading a version: probe, open, warm up, hand out; and the way back.
#include "inference/model_pool.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/status.h"
#include "inference/pool/batched_model.h"
#include "inference/pool/on_demand.h"
#include "inference/runtime.h"

namespace slipway::inference {
namespace {

constexpr size_t kOpeningThreads = 4;
constexpr size_t kMostToOpen = 10'000;  // models that wait for an opening thread
// What a model that does not say its memory is taken to hold, against the size of its file.
constexpr int64_t kMemoryToFile = 2;
constexpr int64_t kLeastModelBytes = 64 << 10;

constexpr std::array<double, 11> kRowBounds = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024};

size_t ThreadCount(const PoolSettings& settings) {
  if (settings.threads > 0) return static_cast<size_t>(settings.threads);
  return base::UsableCores();
}

int64_t FileBytes(const ModelSource& source) {
  std::error_code ignored;
  const auto size = std::filesystem::file_size(source.path, ignored);
  return ignored ? 0 : static_cast<int64_t>(size);
}

std::shared_ptr<pool::ResponseCache> MakeCache(const PoolSettings& settings) {
  if (settings.response_cache_mb == 0) return nullptr;
  return std::make_shared<pool::ResponseCache>(settings.response_cache_mb << 20);
}

using LoadResult = base::Result<std::shared_ptr<LoadedModel>>;

}  // namespace

struct ModelPool::State : std::enable_shared_from_this<ModelPool::State> {
  State(const PoolSettings& pool_settings, std::vector<std::unique_ptr<Runtime>> pool_runtimes,
        base::Metrics& pool_metrics, Prober prober)
      : runtimes(std::move(pool_runtimes)),
        metrics(pool_metrics),
        loaded_gauge(metrics.GetGauge("slipway_inference_models_loaded",
                                      "Models that can be asked at once.")),
        closed_counter(metrics.GetCounter("slipway_inference_models_evicted",
                                          "Models that were closed to make room for others.")),
        memory_gauge(metrics.GetGauge("slipway_inference_model_memory_bytes",
                                      "Memory of the models that are opened on demand.")),
        probe(std::move(prober)),
        budget_bytes(pool_settings.memory_budget_mb << 20),
        workers(std::make_shared<pool::Workers>(pool_settings, ThreadCount(pool_settings),
                                                MakeCache(pool_settings))) {}

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

  LoadResult Open(const ModelSource& source, std::shared_ptr<pool::RunCounts> counts);
  std::shared_ptr<pool::Workers> WaitingThreads(int64_t count);
  void Count();  // with `mutex` held
  // Opens one on demand, within the budget.
  LoadResult OpenWithin(const std::string& key, const FindSource& find,
                        std::shared_ptr<pool::RunCounts> counts);
  // These three with `mutex` held.
  bool MayOpen(const std::string& key, int64_t bytes) const;
  std::vector<std::shared_ptr<pool::OnDemandModel>> Surplus(const std::string& key, int64_t bytes);
  void Opening(const std::string& key, int64_t bytes);
  void MakeRoom(const std::string& key, int64_t bytes);
  void Free(std::shared_ptr<LoadedModel> model);
  void LetGo(std::shared_ptr<LoadedModel> model);
  // Opens it on a thread that stands back for those that answer, and waits for it.
  LoadResult OpenAside(const ModelSource& source);
  base::Status Submit(std::function<void()> task);

  const std::vector<std::unique_ptr<Runtime>> runtimes;
  base::Metrics& metrics;
  base::Gauge& loaded_gauge;
  base::Counter& closed_counter;
  base::Gauge& memory_gauge;
  const Prober probe;
  const int64_t budget_bytes;  // 0: no limit
  const std::shared_ptr<pool::Workers> workers;
  mutable std::shared_mutex mutex;  // over what follows
  std::map<std::string, std::shared_ptr<LoadedModel>> models;
  std::map<std::string, std::shared_future<LoadResult>> loading;
  bool stopped = false;
  std::vector<std::weak_ptr<pool::Workers>> waiting;  // of models that run elsewhere
  struct OnDemand {
    std::shared_ptr<pool::OnDemandModel> model;
    int64_t bytes = 0;     // when it was open last; 0: never
    int64_t reserved = 0;  // of the budget, from before it is opened until it is closed
    [[nodiscard]] bool opening() const { return reserved > 0 && !model->is_open(); }
  };
  std::map<std::string, OnDemand> on_demand;    // some of `models`
  std::unique_ptr<base::ThreadPool> openers{};  // made for the first of those
};

// A model whose runs are waited for must not hold up those that need a core.
std::shared_ptr<pool::Workers> ModelPool::State::WaitingThreads(int64_t count) {
  auto own = std::make_shared<pool::Workers>(workers->settings, static_cast<size_t>(count),
                                             workers->cache);
  std::unique_lock lock(mutex);
  std::erase_if(waiting, [](const auto& one) { return one.expired(); });
  waiting.push_back(own);
  return own;
}

LoadResult ModelPool::State::Open(const ModelSource& source,
                                  std::shared_ptr<pool::RunCounts> counts) {
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
  if (source.config.sequence)
    TRY(pool::Sequences::Check(*source.config.sequence, session->description()));
  const int64_t elsewhere = session->runs_elsewhere();
  auto model =
      std::make_shared<pool::BatchedModel>(source.key, source.config, std::move(session),
                                           elsewhere > 0 ? WaitingThreads(elsewhere) : workers,
                                           MetricsOf(source.key), std::move(counts));
  if (source.accept) TRY(source.accept(model->description()));
  TRY(model->WarmUp(source.warmup));
  return std::shared_ptr<LoadedModel>(std::move(model));
}

void ModelPool::State::Count() {
  size_t closed = 0;
  int64_t bytes = 0;
  for (const auto& [key, one] : on_demand) {
    if (one.model->is_open()) {
      bytes += one.bytes;
    } else {
      ++closed;
    }
  }
  loaded_gauge.Set(static_cast<double>(models.size() - closed));
  memory_gauge.Set(static_cast<double>(bytes));
}

// What others that are being opened need is theirs; once they are open they can be closed.
bool ModelPool::State::MayOpen(const std::string& key, int64_t bytes) const {
  bool others = false;
  for (const auto& [other, one] : on_demand) {
    if (other == key || one.reserved == 0) continue;
    others = others || one.opening();
    if (one.opening() || one.model->config().pinned) bytes += one.reserved;
  }
  return !others || bytes <= budget_bytes;
}

// Those to be closed so that a model of this size fits, the longest unused first.
std::vector<std::shared_ptr<pool::OnDemandModel>> ModelPool::State::Surplus(const std::string& key,
                                                                            int64_t bytes) {
  std::vector<OnDemand*> open;
  for (auto& [other, one] : on_demand) {
    if (other == key) continue;
    bytes += one.reserved;
    if (one.model->is_open() && !one.model->config().pinned) open.push_back(&one);
  }
  std::ranges::sort(open, {}, [](const OnDemand* one) { return one->model->last_used_ns(); });
  std::vector<std::shared_ptr<pool::OnDemandModel>> surplus;
  for (OnDemand* one : open) {
    if (bytes <= budget_bytes) break;
    bytes -= std::exchange(one->reserved, 0);
    surplus.push_back(one->model);
  }
  if (bytes > budget_bytes) {
    base::Log(base::LogLevel::kWarning, "inference",
              "the models that may not be closed take more than inference.memory_budget_mb",
              {{"model", key}, {"bytes", bytes}});
  }
  return surplus;
}

void ModelPool::State::Opening(const std::string& key, int64_t bytes) {
  if (const auto found = on_demand.find(key); found != on_demand.end())
    found->second.reserved = bytes;
}

LoadResult ModelPool::State::OpenAside(const ModelSource& source) {
  std::promise<LoadResult> opened;
  TRY(Submit([&] { opened.set_value(Open(source, std::make_shared<pool::RunCounts>())); }));
  return opened.get_future().get();
}

// A model whose last request is about to end would be freed by the thread that answers it, which
// takes time: it is kept until nobody else has it, and freed by a thread that stands back.
void ModelPool::State::LetGo(std::shared_ptr<LoadedModel> model) {
  constexpr int64_t kPauseNs = 20'000'000;
  if (workers->stopping.load()) return;
  if (model.use_count() == 1) {
    (void)Submit([kept = std::move(model)] {});
    return;
  }
  workers->timer.At(base::MonotonicNanos() + kPauseNs,
                    [weak = weak_from_this(), kept = std::move(model)]() mutable {
                      const auto state = weak.lock();
                      if (state) state->LetGo(std::move(kept));
                    });
}

// Here, once its requests have ended, so that its memory is free before another model takes as
// much; one that is asked for too long goes when it goes.
void ModelPool::State::Free(std::shared_ptr<LoadedModel> model) {
  constexpr auto kMostWait = std::chrono::milliseconds(200);
  const auto until = std::chrono::steady_clock::now() + kMostWait;
  while (model.use_count() > 1 && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  if (model.use_count() > 1) LetGo(std::move(model));
}

// Takes what a model needs out of the budget, on the thread that is about to open it.
void ModelPool::State::MakeRoom(const std::string& key, int64_t bytes) {
  constexpr auto kPause = std::chrono::milliseconds(2);
  if (budget_bytes == 0) return;
  std::vector<std::shared_ptr<pool::OnDemandModel>> surplus;
  {
    std::unique_lock lock(mutex);
    while (!stopped && !MayOpen(key, bytes)) {
      lock.unlock();
      std::this_thread::sleep_for(kPause);
      lock.lock();
    }
    surplus = Surplus(key, bytes);
    Opening(key, bytes);
  }
  for (const auto& one : surplus) {
    auto closed = one->Close();
    if (!closed) continue;
    closed_counter.Add();
    Free(std::move(closed));
  }
}

LoadResult ModelPool::State::OpenWithin(const std::string& key, const FindSource& find,
                                        std::shared_ptr<pool::RunCounts> counts) {
  const ModelSource source = TRY(find());
  int64_t bytes = std::max(kMemoryToFile * FileBytes(source), kLeastModelBytes);
  {
    std::shared_lock lock(mutex);
    const auto found = on_demand.find(key);
    if (found != on_demand.end() && found->second.bytes > 0) bytes = found->second.bytes;
  }
  MakeRoom(key, bytes);
  auto model = Open(source, std::move(counts));
  if (!model.ok()) {
    std::unique_lock lock(mutex);
    Opening(key, 0);
    return model;
  }
  if (const int64_t said = (*model)->memory_bytes(); said > bytes) {
    bytes = said;
    MakeRoom(key, bytes);
  } else if (said > 0) {
    bytes = said;
  }
  std::unique_lock lock(mutex);
  if (const auto found = on_demand.find(key); found != on_demand.end())
    found->second.bytes = found->second.reserved = bytes;
  return model;
}

base::Status ModelPool::State::Submit(std::function<void()> task) {
  std::unique_lock lock(mutex);
  if (stopped) return base::Unavailable("pool_stopped", "the model pool is stopping");
  if (!openers)
    openers = std::make_unique<base::ThreadPool>("model-load", kOpeningThreads, kMostToOpen,
                                                 static_cast<int>(workers->settings.load_nice));
  return openers->Submit(std::move(task));
}

ModelPool::ModelPool(PoolSettings settings, std::vector<std::unique_ptr<Runtime>> runtimes,
                     base::Metrics& metrics, Prober probe)
    : state_(std::make_shared<State>(std::move(settings), std::move(runtimes), metrics,
                                     std::move(probe))) {
  // Those that are opened on demand come and go by themselves.
  metrics.OnCollect([weak = std::weak_ptr(state_)] {
    const auto state = weak.lock();
    if (!state) return;
    std::unique_lock lock(state->mutex);
    state->Count();
  });
}

ModelPool::~ModelPool() { Stop(); }

base::Result<std::shared_ptr<LoadedModel>> ModelPool::Load(const ModelSource& source) {
  if (state_->budget_bytes > 0) {
    auto model = LoadOnDemand(source.key, [source] { return source; });
    TRY(OpenNow(*model, source.key));
    return model;
  }
  std::promise<LoadResult> promise;
  std::shared_future<LoadResult> other;
  {
    std::unique_lock lock(state_->mutex);
    if (state_->stopped) return base::Unavailable("pool_stopped", "the model pool is stopping");
    if (const auto found = state_->models.find(source.key); found != state_->models.end()) {
      const auto model = found->second;
      lock.unlock();
      TRY(OpenNow(*model, source.key));
      return model;
    }
    const auto [at, first] = state_->loading.try_emplace(source.key);
    if (first) {
      at->second = promise.get_future().share();
    } else {
      other = at->second;
    }
  }
  if (other.valid()) return other.get();
  LoadResult result = state_->OpenAside(source);
  {
    std::unique_lock lock(state_->mutex);
    state_->loading.erase(source.key);
    if (result.ok()) state_->models[source.key] = *result;
    state_->Count();
  }
  promise.set_value(result);
  return result;
}

base::Result<std::shared_ptr<LoadedModel>> ModelPool::Replace(const ModelSource& source) {
  if (state_->budget_bytes > 0) {
    Unload(source.key);
    return Load(source);
  }
  auto model = TRY(state_->OpenAside(source));
  std::shared_ptr<LoadedModel> former;
  {
    std::unique_lock lock(state_->mutex);
    if (state_->stopped) return base::Unavailable("pool_stopped", "the model pool is stopping");
    former = std::exchange(state_->models[source.key], model);
    state_->on_demand.erase(source.key);
    state_->Count();
  }
  if (former) state_->LetGo(std::move(former));
  return model;
}

// One that is opened on demand is opened; it goes again when that fails the first time.
base::Status ModelPool::OpenNow(LoadedModel& model, const std::string& key) {
  auto* on_demand = dynamic_cast<pool::OnDemandModel*>(&model);
  if (on_demand == nullptr) return base::Status::Ok();
  base::Status status = on_demand->Open();
  if (!status.ok() && !model.described()) Unload(key);
  std::unique_lock lock(state_->mutex);
  state_->Count();
  return status;
}

std::shared_ptr<LoadedModel> ModelPool::LoadOnDemand(const std::string& key, FindSource find) {
  std::unique_lock lock(state_->mutex);
  if (const auto found = state_->models.find(key); found != state_->models.end())
    return found->second;
  const std::weak_ptr<State> weak = state_;
  auto model = std::make_shared<pool::OnDemandModel>(
      key, pool::OnDemandModel::Surroundings{
               [weak, key,
                find = std::move(find)](std::shared_ptr<pool::RunCounts> counts) -> LoadResult {
                 const auto state = weak.lock();
                 if (!state) return base::Unavailable("pool_stopped", "the model pool has gone");
                 return state->OpenWithin(key, find, std::move(counts));
               },
               [weak](std::function<void()> task) -> base::Status {
                 const auto state = weak.lock();
                 if (!state) return base::Unavailable("pool_stopped", "the model pool has gone");
                 return state->Submit(std::move(task));
               }});
  state_->models[key] = model;
  state_->on_demand[key] = {model, 0};
  state_->Count();
  return model;
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
  state_->on_demand.erase(key);
  state_->Count();
  lock.unlock();
  state_->LetGo(std::move(last));
}

std::vector<std::string> ModelPool::Loaded() const {
  std::shared_lock lock(state_->mutex);
  std::vector<std::string> keys;
  for (const auto& [key, model] : state_->models) {
    const auto one = state_->on_demand.find(key);
    if (one == state_->on_demand.end() || one->second.model->is_open()) keys.push_back(key);
  }
  return keys;
}

void ModelPool::Stop() {
  std::vector<std::weak_ptr<pool::Workers>> waiting;
  std::unique_ptr<base::ThreadPool> openers;
  {
    std::unique_lock lock(state_->mutex);
    state_->stopped = true;
    openers = std::move(state_->openers);
    waiting.swap(state_->waiting);
  }
  if (openers) openers->Stop();
  state_->workers->Stop();
  for (const auto& one : waiting) {
    if (const auto own = one.lock()) own->Stop();
  }
}

}  // namespace slipway::inference
