// SPDX-License-Identifier: Apache-2.0
// Forest: an ensemble laid out for evaluation. T is what values are compared in (float or double),
// A what leaves are summed in, as the source library does both.
//
// Slots. What a missing value does differs from node to node, so a row is first written into slots:
// one for each (feature, where its missing values go) that some node asks for. In a slot a missing
// value is minus infinity (goes left everywhere) or NaN (goes right everywhere), and every test
// becomes `left when slot <= threshold`. `x < t` is `x <= ` the number before t; a double threshold
// that floats are held against is rounded down: the same decisions.
//
// Walking. A node is {threshold, slot, step}: the next node is at + step + (not left). Siblings lie
// side by side, so no branch is needed, and a leaf's step is 0 with a test that always goes left:
// it stays where it is, and several walks go on together for as many steps as the deepest needs.
//
// Twigs. A tree cut into pieces of three levels, for AVX-512: the row lies in registers, the seven
// tests of a piece are made at once, and a table turns their outcomes into the way out: one step
// where a walk takes three, and sixteen trees go on together.
//
// Masks. The other way, for many rows at once: every test that fails clears the leaves below its
// left child; the first leaf that is still set is the answer (QuickScorer, Lucchese et al., SIGIR
// 2015). No walk, no gather: one compare and one and-not for each node and sixteen rows. Leaves
// come in words of 32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "inference/trees/ensemble.h"

namespace slipway::inference::trees {

enum class Simd : uint8_t { kScalar, kAvx2, kAvx512 };
Simd BestSimd();  // of this processor

inline constexpr size_t kBlockRows = 64;  // rows that are evaluated together
inline constexpr uint32_t kLeavesOfWord = 32;

template <typename T>
struct Slot {
  uint32_t feature = 0;
  T nan = 0;   // what a NaN becomes
  T zero = 0;  // what |x| <= epsilon becomes
};

template <typename T, typename Index>
struct Split {
  T threshold = 0;  // NaN: a test of another kind, in `specials`
  Index slot = 0;   // 0: always minus infinity
  Index step = 0;
};

template <typename T>
struct Special {
  Test test = Test::kEqual;
  bool nan_left = false;
  T value = 0;
  uint32_t begin = 0, count = 0;  // words of `categories`
};

template <typename T>
struct MaskTest {
  T threshold = 0;
  uint32_t slot = 0;
  uint32_t clear = 0;  // the leaves below the left child
};

struct Range {
  uint32_t begin = 0, end = 0;
};

// Three levels of a tree: test 0, below it 1 and 2, below those 3 to 6. A test that is not there
// always goes left.
inline constexpr size_t kTestsOfTwig = 8;  // the last one is not asked for
template <typename T>
struct alignas(64) Twig {
  T thresholds[kTestsOfTwig] = {};
  uint8_t slots[kTestsOfTwig] = {};
  uint16_t next[8] = {};  // by the way taken, left first: among the tree's places
};

struct TwigTree {
  uint32_t first = 0;   // of `twigs`, where its place 0 is
  uint32_t values = 0;  // of `twig_values`, where its place 0 is
};

// Trees [begin, end), all of so many steps.
struct TwigRun {
  uint32_t begin = 0, end = 0, steps = 0;
};

template <typename A>
struct LeafWeight {
  uint32_t target = 0;
  A value = 0;
};

template <typename T, typename A>
struct Forest {
  uint32_t features = 0;
  uint32_t targets = 1;
  T epsilon = 0;
  Aggregate aggregate = Aggregate::kSum;
  std::vector<A> start;  // one for each target
  std::vector<Slot<T>> slots;

  // One of the two holds the nodes of all trees: `narrow` when slots and steps fit 16 bits.
  std::vector<Split<T, uint16_t>> narrow;
  std::vector<Split<T, uint32_t>> wide;
  std::vector<uint32_t> roots, depths;  // by tree
  std::vector<uint32_t> special_of;     // by node; empty without specials
  std::vector<Special<T>> specials;
  std::vector<uint32_t> categories;

  // Plain: every tree adds one number to one target. Else each leaf has a list of weights.
  bool plain = true;
  std::vector<uint32_t> target_of;  // by tree, plain
  std::vector<A> values;            // by node, plain
  std::vector<Range> lists;         // by node, not plain: into `weights`
  std::vector<LeafWeight<A>> weights;

  // Masks: words of a tree (empty: the tree is walked), tests of a word, and 32 values of its
  // leaves.
  Simd simd = Simd::kScalar;
  std::vector<Range> words_of;  // by tree
  std::vector<Range> tests_of;  // by word
  std::vector<MaskTest<T>> tests;
  std::vector<A> word_values;

  // Twigs: those of all trees, or none. A tree's places are its twigs, then the leaves that only
  // the last step reaches; a leaf that is reached earlier is a twig that leads to itself.
  std::vector<Twig<T>> twigs;
  std::vector<TwigTree> twig_trees;
  std::vector<TwigRun> twig_runs;
  std::vector<A> twig_values;  // by place

  // Of so many rows on they are taken together, fewer one by one: the faster of the two.
  size_t block_from = 6;
};

// The ensemble must have passed CheckEnsemble. `simd`: what the processor has, or less of it.
template <typename T, typename A>
Forest<T, A> Compile(const Ensemble& ensemble, Simd simd);

extern template Forest<float, float> Compile(const Ensemble&, Simd);
extern template Forest<float, double> Compile(const Ensemble&, Simd);
extern template Forest<double, double> Compile(const Ensemble&, Simd);

}  // namespace slipway::inference::trees
