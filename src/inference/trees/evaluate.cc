// SPDX-License-Identifier: Apache-2.0
// A prediction, the run itself, for tree models: rows into slots, walks or masks, sums.
#include "inference/trees/evaluate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <type_traits>
#include <vector>

#include "inference/trees/forest.h"
#include "inference/trees/masks.h"
#include "inference/trees/twigs.h"

namespace slipway::inference::trees {
namespace {

constexpr size_t kLanes = 8;                          // walks that go on together
constexpr size_t kMostColumnBytes = size_t{8} << 20;  // of a block; wider models go row by row
constexpr size_t kStackSlots = 512;

template <typename T>
T InSlot(const Slot<T>& slot, T epsilon, T value) {
  const T known = std::fabs(value) <= epsilon ? slot.zero : value;
  return std::isnan(value) ? slot.nan : known;
}

template <typename In, typename T, typename A>
void FillRow(const Forest<T, A>& forest, const In* row, T* slots) {
  slots[0] = -std::numeric_limits<T>::infinity();
  for (size_t i = 1; i < forest.slots.size(); ++i)
    slots[i] =
        InSlot(forest.slots[i], forest.epsilon, static_cast<T>(row[forest.slots[i].feature]));
}

// columns[slot * kBlockRows + row]
template <typename In, typename T, typename A>
void FillColumns(const Forest<T, A>& forest, const In* values, size_t rows, T* columns) {
  std::fill_n(columns, kBlockRows, -std::numeric_limits<T>::infinity());
  const size_t width = forest.features;
  for (size_t i = 1; i < forest.slots.size(); ++i) {
    const Slot<T> slot = forest.slots[i];
    T* column = columns + i * kBlockRows;
    const In* value = values + slot.feature;
    for (size_t row = 0; row < rows; ++row)
      column[row] = InSlot(slot, forest.epsilon, static_cast<T>(value[row * width]));
    std::fill(column + rows, column + kBlockRows, T{0});
  }
}

bool HasCategory(const std::vector<uint32_t>& words, uint32_t begin, uint32_t count,
                 uint32_t category) {
  const uint32_t word = category / 32;
  return word < count && ((words[begin + word] >> (category % 32)) & 1U) != 0;
}

template <typename T, typename A>
bool GoesLeft(const Forest<T, A>& forest, const Special<T>& test, T value) {
  if (test.test == Test::kEqual) return value == test.value || (std::isnan(value) && test.nan_left);
  if (test.test == Test::kXgboostCategory) {
    if (std::isnan(value)) return test.nan_left;
    // Above 2^24 floats are no longer every integer, so that library has no categories there.
    if (value < 0 || value >= T{16777216}) return true;
    return !HasCategory(forest.categories, test.begin, test.count, static_cast<uint32_t>(value));
  }
  // LightGBM truncates to int: -0.5 is category 0; NaN and what no int holds go right.
  if (!(value > T{-1} && value < T{2147483648.0})) return false;
  return HasCategory(forest.categories, test.begin, test.count,
                     static_cast<uint32_t>(std::max(value, T{0})));
}

// How a walk reads its slots: kStride apart, and kLane further for each lane.
template <size_t kStride, size_t kLane, bool kSpecial>
struct Walker {
  template <typename N, typename T, typename A>
  static uint32_t Next(const Forest<T, A>& forest, const N* nodes, uint32_t at, const T* slots) {
    const N& node = nodes[at];
    const T value = slots[static_cast<size_t>(node.slot) * kStride];
    bool right = !(value <= node.threshold);
    if constexpr (kSpecial) {
      if (std::isnan(node.threshold))
        right = !GoesLeft(forest, forest.specials[forest.special_of[at]], value);
    }
    return at + node.step + static_cast<uint32_t>(right);
  }

  // From the roots in `at` to leaves, all lanes step by step.
  template <typename N, typename T, typename A>
  static void Walk(const Forest<T, A>& forest, const N* nodes, uint32_t depth, const T* slots,
                   std::array<uint32_t, kLanes>& at) {
    constexpr uint32_t kChunk = 8;  // steps before looking whether all have arrived
    for (uint32_t done = 0;;) {
      const uint32_t end = depth - done <= kChunk ? depth : done + kChunk / 2;
      for (; done < end; ++done) {
#pragma GCC unroll 8
        for (size_t lane = 0; lane < kLanes; ++lane)
          at[lane] = Next(forest, nodes, at[lane], slots + lane * kLane);
      }
      if (done == depth) return;
      uint32_t steps = 0;
      for (const uint32_t place : at) steps |= nodes[place].step;
      if (steps == 0) return;
    }
  }
};

// All trees for one row, kLanes trees at a time; `leaf` gets (tree, node) in the order of the
// trees.
template <bool kSpecial, typename N, typename T, typename A, typename Leaf>
void WalkRow(const Forest<T, A>& forest, const N* nodes, const T* slots, const Leaf& leaf) {
  const size_t trees = forest.roots.size();
  for (size_t first = 0; first < trees; first += kLanes) {
    const size_t count = std::min(kLanes, trees - first);
    std::array<uint32_t, kLanes> at;
    uint32_t depth = 0;
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const size_t tree = first + std::min(lane, count - 1);
      at[lane] = forest.roots[tree];
      depth = std::max(depth, forest.depths[tree]);
    }
    Walker<1, 0, kSpecial>::Walk(forest, nodes, depth, slots, at);
    if (count == kLanes) {
#pragma GCC unroll 8
      for (size_t lane = 0; lane < kLanes; ++lane) leaf(first + lane, at[lane]);
    } else {
      for (size_t lane = 0; lane < count; ++lane) leaf(first + lane, at[lane]);
    }
  }
}

// One tree for the rows of a block; `leaf` gets (row, node).
template <bool kSpecial, typename N, typename T, typename A, typename Leaf>
void WalkTree(const Forest<T, A>& forest, const N* nodes, size_t tree, const T* columns,
              size_t rows, const Leaf& leaf) {
  for (size_t row = 0; row < rows; row += kLanes) {
    std::array<uint32_t, kLanes> at;
    at.fill(forest.roots[tree]);
    Walker<kBlockRows, 1, kSpecial>::Walk(forest, nodes, forest.depths[tree], columns + row, at);
    for (size_t lane = 0; lane < kLanes; ++lane) leaf(row + lane, at[lane]);
  }
}

// Calls `run` with the nodes and whether there are tests of other kinds.
template <typename T, typename A, typename Run>
void WithNodes(const Forest<T, A>& forest, const Run& run) {
  const bool special = !forest.specials.empty();
  if (!forest.narrow.empty()) {
    if (special) return run(forest.narrow.data(), std::true_type());
    return run(forest.narrow.data(), std::false_type());
  }
  if (special) return run(forest.wide.data(), std::true_type());
  return run(forest.wide.data(), std::false_type());
}

// -- One row
// ----------------------------------------------------------------------------------------------------

template <typename T, typename A>
void AddList(const Forest<T, A>& forest, uint32_t node, A* sums, uint8_t* seen) {
  for (uint32_t i = forest.lists[node].begin; i < forest.lists[node].end; ++i) {
    const LeafWeight<A>& weight = forest.weights[i];
    A& sum = sums[weight.target];
    const bool first = seen[weight.target] == 0;
    seen[weight.target] = 1;
    if (forest.aggregate == Aggregate::kSum) {
      sum += weight.value;
    } else if (first ||
               (forest.aggregate == Aggregate::kMin ? weight.value < sum : weight.value > sum)) {
      sum = weight.value;
    }
  }
}

template <typename T, typename A>
void SumRow(const Forest<T, A>& forest, const T* slots, A* sums, uint8_t* seen) {
  WithNodes(forest, [&](const auto* nodes, auto special) {
    constexpr bool kSpecial = decltype(special)::value;
    const A* values = forest.values.data();
    if (!forest.plain) {
      WalkRow<kSpecial>(forest, nodes, slots,
                        [&](size_t, uint32_t node) { AddList(forest, node, sums, seen); });
    } else if (forest.targets == 1) {
      A sum = sums[0];
      WalkRow<kSpecial>(forest, nodes, slots,
                        [&sum, values](size_t, uint32_t node) { sum += values[node]; });
      sums[0] = sum;
    } else {
      const uint32_t* target = forest.target_of.data();
      WalkRow<kSpecial>(forest, nodes, slots,
                        [=](size_t tree, uint32_t node) { sums[target[tree]] += values[node]; });
    }
  });
}

// -- A block of rows
// --------------------------------------------------------------------------------------------

template <typename T, typename A>
class Block {
 public:
  explicit Block(const Forest<T, A>& forest)
      : forest_(forest),
        columns_(std::make_unique_for_overwrite<T[]>(forest.slots.size() * kBlockRows)),
        sums_(std::make_unique_for_overwrite<A[]>(size_t{forest.targets} * kBlockRows)) {}

  template <typename In>
  void Run(const In* values, size_t rows, A* sums, uint8_t* seen) {
    FillColumns(forest_, values, rows, columns_.get());
    if (!forest_.plain) {
      AddLists(rows, sums, seen);
      return;
    }
    const size_t targets = forest_.targets;
    for (size_t target = 0; target < targets; ++target)
      std::fill_n(sums_.get() + target * kBlockRows, kBlockRows, forest_.start[target]);
    for (size_t tree = 0; tree < forest_.roots.size(); ++tree) AddTree(tree, rows);
    for (size_t row = 0; row < rows; ++row) {
      for (size_t target = 0; target < targets; ++target)
        sums[row * targets + target] = sums_[target * kBlockRows + row];
    }
  }

 private:
  void AddTree(size_t tree, size_t rows) {
    A* sums = sums_.get() + size_t{forest_.target_of[tree]} * kBlockRows;
    if (forest_.words_of[tree].begin != forest_.words_of[tree].end) {
      AddByMasks(forest_, tree, columns_.get(), rows, sums);
      return;
    }
    const A* values = forest_.values.data();
    WithNodes(forest_, [&](const auto* nodes, auto special) {
      WalkTree<decltype(special)::value>(
          forest_, nodes, tree, columns_.get(), rows,
          [=](size_t row, uint32_t node) { sums[row] += values[node]; });
    });
  }

  void AddLists(size_t rows, A* sums, uint8_t* seen) {
    const size_t targets = forest_.targets;
    for (size_t row = 0; row < rows; ++row) std::ranges::copy(forest_.start, sums + row * targets);
    for (size_t tree = 0; tree < forest_.roots.size(); ++tree) {
      WithNodes(forest_, [&](const auto* nodes, auto special) {
        WalkTree<decltype(special)::value>(
            forest_, nodes, tree, columns_.get(), rows, [&](size_t row, uint32_t node) {
              if (row < rows) AddList(forest_, node, sums + row * targets, seen + row * targets);
            });
      });
    }
  }

  const Forest<T, A>& forest_;
  const std::unique_ptr<T[]> columns_;
  const std::unique_ptr<A[]> sums_;
};

template <typename In, typename T, typename A>
void EvaluateRows(const Forest<T, A>& forest, const In* values, size_t rows, A* sums,
                  uint8_t* seen) {
  std::array<T, kStackSlots> few;
  std::unique_ptr<T[]> many;
  if (forest.slots.size() > kStackSlots)
    many = std::make_unique_for_overwrite<T[]>(forest.slots.size());
  T* slots = many ? many.get() : few.data();
  for (size_t row = 0; row < rows; ++row) {
    A* row_sums = sums + row * forest.targets;
    std::ranges::copy(forest.start, row_sums);
    FillRow(forest, values + row * forest.features, slots);
    if (!forest.twigs.empty()) {
      AddByTwigs(forest, slots, row_sums);
      continue;
    }
    SumRow(forest, slots, row_sums, seen == nullptr ? nullptr : seen + row * forest.targets);
  }
}

}  // namespace

template <typename In, typename T, typename A>
void Evaluate(const Forest<T, A>& forest, const In* values, size_t rows, A* sums, uint8_t* seen) {
  if (seen != nullptr) std::fill_n(seen, rows * forest.targets, uint8_t{0});
  const bool wide = forest.slots.size() * kBlockRows * sizeof(T) > kMostColumnBytes;
  if (rows < forest.block_from || wide) return EvaluateRows(forest, values, rows, sums, seen);
  Block<T, A> block(forest);
  for (size_t first = 0; first < rows; first += kBlockRows) {
    const size_t count = std::min(kBlockRows, rows - first);
    const In* block_values = values + first * forest.features;
    A* block_sums = sums + first * forest.targets;
    uint8_t* block_seen = seen == nullptr ? nullptr : seen + first * forest.targets;
    if (count < forest.block_from) {
      EvaluateRows(forest, block_values, count, block_sums, block_seen);
    } else {
      block.Run(block_values, count, block_sums, block_seen);
    }
  }
}

template <typename T, typename A>
void FindLeaves(const Forest<T, A>& forest, const T* values, size_t rows, uint32_t* leaves) {
  std::vector<T> slots(forest.slots.size());
  const size_t trees = forest.roots.size();
  for (size_t row = 0; row < rows; ++row) {
    FillRow(forest, values + row * forest.features, slots.data());
    WithNodes(forest, [&](const auto* nodes, auto special) {
      WalkRow<decltype(special)::value>(forest, nodes, slots.data(),
                                        [&](size_t tree, uint32_t node) {
                                          leaves[row * trees + tree] = node - forest.roots[tree];
                                        });
    });
  }
}

#define SLIPWAY_EVALUATE(In, T, A) \
  template void Evaluate(const Forest<T, A>&, const In*, size_t, A*, uint8_t*);
SLIPWAY_EVALUATE(float, float, float)
SLIPWAY_EVALUATE(double, float, float)
SLIPWAY_EVALUATE(int64_t, float, float)
SLIPWAY_EVALUATE(int32_t, float, float)
SLIPWAY_EVALUATE(float, float, double)
SLIPWAY_EVALUATE(double, double, double)
#undef SLIPWAY_EVALUATE
template void FindLeaves(const Forest<float, float>&, const float*, size_t, uint32_t*);
template void FindLeaves(const Forest<float, double>&, const float*, size_t, uint32_t*);
template void FindLeaves(const Forest<double, double>&, const double*, size_t, uint32_t*);

}  // namespace slipway::inference::trees
