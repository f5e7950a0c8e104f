// SPDX-License-Identifier: Apache-2.0
// A prediction, after its run: what a model's statistics tell.
#include "inference/pool/run_counts.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "inference/model_pool.h"

namespace slipway::inference::pool {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

int64_t UnixMillis() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

void RunCounts::Pair::Add(uint64_t more, int64_t nanos) {
  count.fetch_add(more, kRelaxed);
  ns.fetch_add(static_cast<uint64_t>(std::max<int64_t>(nanos, 0)), kRelaxed);
}

CountedTime RunCounts::Pair::Read() const { return {count.load(kRelaxed), ns.load(kRelaxed)}; }

RunCounts::~RunCounts() {
  for (auto& size : sizes_) delete size.load(kRelaxed);
}

void RunCounts::CountRun(int64_t rows, uint64_t requests, Times times) {
  last_run_ms_.store(UnixMillis(), kRelaxed);
  rows_.fetch_add(static_cast<uint64_t>(std::max<int64_t>(rows, 0)), kRelaxed);
  runs_.fetch_add(1, kRelaxed);
  // Each request of a batch has waited for all of its run.
  const auto each = static_cast<int64_t>(requests);
  input_.Add(requests, each * times.input_ns);
  run_.Add(requests, each * times.run_ns);
  output_.Add(requests, each * times.output_ns);
  auto& slot = sizes_[static_cast<size_t>(std::clamp<int64_t>(rows, 0, kMostRows))];
  Sized* sized = slot.load(std::memory_order_acquire);
  if (sized == nullptr) {
    auto fresh = std::make_unique<Sized>();
    if (slot.compare_exchange_strong(sized, fresh.get(), std::memory_order_acq_rel))
      sized = fresh.release();
  }
  sized->input.Add(1, times.input_ns);
  sized->run.Add(1, times.run_ns);
  sized->output.Add(1, times.output_ns);
}

void RunCounts::CountAnswer(bool ok, int64_t queue_ns, int64_t total_ns) {
  (ok ? success_ : fail_).Add(1, total_ns);
  if (ok) queue_.Add(1, queue_ns);
}

void RunCounts::CountCache(bool hit, int64_t ns) { (hit ? cache_hit_ : cache_miss_).Add(1, ns); }

ModelStatistics RunCounts::Read() const {
  ModelStatistics statistics;
  statistics.last_run_ms = last_run_ms_.load(kRelaxed);
  statistics.inference_count = rows_.load(kRelaxed);
  statistics.execution_count = runs_.load(kRelaxed);
  statistics.success = success_.Read();
  statistics.fail = fail_.Read();
  statistics.queue = queue_.Read();
  statistics.input = input_.Read();
  statistics.run = run_.Read();
  statistics.output = output_.Read();
  statistics.cache_hit = cache_hit_.Read();
  statistics.cache_miss = cache_miss_.Read();
  for (size_t rows = 0; rows < sizes_.size(); ++rows) {
    const Sized* sized = sizes_[rows].load(std::memory_order_acquire);
    if (sized == nullptr) continue;
    statistics.batches.push_back(
        {static_cast<int64_t>(rows), sized->input.Read(), sized->run.Read(), sized->output.Read()});
  }
  return statistics;
}

}  // namespace slipway::inference::pool
