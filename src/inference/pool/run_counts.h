// SPDX-License-Identifier: Apache-2.0
// RunCounts: what one loaded model has done, counted without a lock. Thread-safe.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "inference/model_pool.h"

namespace slipway::inference::pool {

class RunCounts {
 public:
  struct Times {
    int64_t input_ns = 0;   // stacking
    int64_t run_ns = 0;     // the model
    int64_t output_ns = 0;  // cutting apart
  };
  // One run of the model over `rows` rows that was good for `requests` requests.
  void CountRun(int64_t rows, uint64_t requests, Times times);
  // One request answered `total_ns` after it came; it waited `queue_ns` of them.
  void CountAnswer(bool ok, int64_t queue_ns, int64_t total_ns);
  void CountCache(bool hit, int64_t ns);
  [[nodiscard]] ModelStatistics Read() const;

 private:
  struct Pair {
    std::atomic<uint64_t> count{0};
    std::atomic<uint64_t> ns{0};
    void Add(uint64_t more, int64_t nanos);
    [[nodiscard]] CountedTime Read() const;
  };
  struct Sized {
    Pair input, run, output;
  };
  // Runs of up to this many rows are told apart; larger ones count under it.
  static constexpr int64_t kMostRows = 1024;

  std::atomic<int64_t> last_run_ms_{0};
  std::atomic<uint64_t> rows_{0};
  std::atomic<uint64_t> runs_{0};
  Pair success_, fail_, queue_, input_, run_, output_, cache_hit_, cache_miss_;
  // Made for a size when it first comes: most models see few.
  std::array<std::atomic<Sized*>, kMostRows + 1> sizes_{};

 public:
  RunCounts() = default;
  ~RunCounts();
  RunCounts(const RunCounts&) = delete;
  RunCounts& operator=(const RunCounts&) = delete;
};

}  // namespace slipway::inference::pool
