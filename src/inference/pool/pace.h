// SPDX-License-Identifier: Apache-2.0
// Pace: how long one model takes, learnt from its runs. Thread-safe: two threads may overwrite each
// other's sample, and an average loses nothing by it.
#pragma once

#include <atomic>
#include <cstdint>

namespace slipway::inference::pool {

class Pace {
 public:
  // A run by itself; -1: not measured yet.
  [[nodiscard]] int64_t RunNs(int64_t rows) const;
  // Of the runs that are done now, whatever their rows; 0: not measured yet.
  [[nodiscard]] int64_t BatchNs() const { return batch_ns_.load(std::memory_order_relaxed); }
  // Until `rows` rows have gone from a queue that `runs` runs at once empty; 0: not measured yet.
  [[nodiscard]] int64_t WaitNs(int64_t rows, int64_t runs) const;
  void Ran(int64_t rows, int64_t run_ns);
  // `rows` rows left the queue, which was never empty since, `span_ns` before the next ones did.
  void Drained(int64_t rows, int64_t span_ns);

 private:
  std::atomic<int64_t> one_row_ns_{-1};  // moving averages
  std::atomic<int64_t> row_ns_{0};       // a row's share of a run
  std::atomic<int64_t> share_ns_{0};     // the same, sooner
  std::atomic<int64_t> batch_ns_{0};
  std::atomic<int64_t> drain_ns_{0};  // a row's share of the time between two batches
};

}  // namespace slipway::inference::pool
