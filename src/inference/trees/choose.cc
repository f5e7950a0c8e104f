// SPDX-License-Identifier: Apache-2.0
// Loading a version: which of two ways to evaluate is the faster one here, for how many rows.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "base/clock.h"
#include "inference/trees/evaluate.h"
#include "inference/trees/forest.h"

namespace slipway::inference::trees {
namespace {

constexpr size_t kNever = std::numeric_limits<size_t>::max();
constexpr size_t kMostValues = size_t{1} << 20;  // of the rows that are tried

// The shortest of a few runs.
template <typename T, typename A>
int64_t NanosOf(const Forest<T, A>& forest, const std::vector<T>& values, size_t rows,
                std::vector<A>& sums) {
  constexpr int kMostRuns = 12;
  constexpr int64_t kMostNanos = 2'000'000;
  int64_t best = std::numeric_limits<int64_t>::max(), spent = 0;
  for (int run = 0; run < kMostRuns && spent < kMostNanos; ++run) {
    const int64_t start = base::MonotonicNanos();
    Evaluate(forest, values.data(), rows, sums.data(), nullptr);
    const int64_t took = base::MonotonicNanos() - start;
    spent += took;
    best = std::min(best, took);
  }
  return best;
}

}  // namespace

template <typename T, typename A>
void ChooseBlocks(Forest<T, A>& forest) {
  if (forest.twigs.empty() || kBlockRows * forest.features > kMostValues) return;
  std::mt19937 random(1);
  std::normal_distribution<double> normal;
  std::vector<T> values(kBlockRows * forest.features);
  for (T& value : values) value = static_cast<T>(normal(random));
  std::vector<A> sums(kBlockRows * forest.targets);
  size_t chosen = kNever;
  for (const size_t rows : {kBlockRows, kBlockRows / 2, kBlockRows / 4, kBlockRows / 8}) {
    forest.block_from = 0;
    const int64_t together = NanosOf(forest, values, rows, sums);
    forest.block_from = kNever;
    const int64_t apart = NanosOf(forest, values, rows, sums);
    if (apart <= together + together / 10) break;  // so much may be chance
    chosen = rows;
  }
  forest.block_from = chosen;
}

template void ChooseBlocks(Forest<float, float>&);
template void ChooseBlocks(Forest<float, double>&);
template void ChooseBlocks(Forest<double, double>&);

}  // namespace slipway::inference::trees
