// SPDX-License-Identifier: Apache-2.0
// A prediction, before the run: how long will it take?
#include "inference/pool/pace.h"

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace slipway::inference::pool {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

int64_t Average(int64_t old, int64_t sample) { return old + (sample - old) / 8; }

// One preempted run must not make a cheap model look costly for long.
int64_t Tamed(int64_t old, int64_t sample) { return std::min(sample, 8 * old + 1000); }

void Learn(std::atomic<int64_t>& average, int64_t sample) {
  const int64_t old = average.load(kRelaxed);
  average.store(old == 0 ? sample : Average(old, Tamed(old, sample)), kRelaxed);
}

// For what decides about refusals: sooner wiser, and an outlier is forgotten as soon.
void LearnSoon(std::atomic<int64_t>& average, int64_t sample) {
  const int64_t old = average.load(kRelaxed);
  average.store(old == 0 ? sample : old + (sample - old) / 4, kRelaxed);
}

}  // namespace

int64_t Pace::RunNs(int64_t rows) const {
  const int64_t one = one_row_ns_.load(kRelaxed);
  if (one < 0) return -1;
  return std::max(one, rows <= 1 ? 0 : rows * row_ns_.load(kRelaxed));
}

int64_t Pace::WaitNs(int64_t rows, int64_t runs) const {
  const int64_t drain = drain_ns_.load(kRelaxed);
  return drain > 0 ? rows * drain : rows * share_ns_.load(kRelaxed) / std::max<int64_t>(runs, 1);
}

void Pace::Ran(int64_t rows, int64_t run_ns) {
  if (rows <= 1) {
    const int64_t one = one_row_ns_.load(kRelaxed);
    one_row_ns_.store(one < 0 ? run_ns : Average(one, Tamed(one, run_ns)), kRelaxed);
  }
  Learn(row_ns_, run_ns / std::max<int64_t>(rows, 1));
  LearnSoon(share_ns_, run_ns / std::max<int64_t>(rows, 1));
  LearnSoon(batch_ns_, run_ns);
}

void Pace::Drained(int64_t rows, int64_t span_ns) {
  LearnSoon(drain_ns_, std::max<int64_t>(span_ns / std::max<int64_t>(rows, 1), 1));
}

}  // namespace slipway::inference::pool
