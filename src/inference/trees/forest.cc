// SPDX-License-Identifier: Apache-2.0
// Loading a version: from what a tree model says to what is fast to evaluate.
#include "inference/trees/forest.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "inference/trees/ensemble.h"
#include "inference/trees/twigs.h"

namespace slipway::inference::trees {
namespace {

// The largest T that is not above `value`.
template <typename T>
T RoundDown(double value) {
  T rounded = static_cast<T>(value);
  if (static_cast<double>(rounded) > value)
    rounded = std::nextafter(rounded, -std::numeric_limits<T>::infinity());
  return rounded;
}

// `x <= result` for every T x exactly when the node's test sends x to the left.
template <typename T>
T ThresholdOf(const Node& node) {
  const T rounded = RoundDown<T>(node.threshold);
  if (node.test == Test::kLess && static_cast<double>(rounded) == node.threshold)
    return std::nextafter(rounded, -std::numeric_limits<T>::infinity());
  return rounded;
}

template <typename T>
T ValueOf(Side side) {
  switch (side) {
    case Side::kLeft:
      return -std::numeric_limits<T>::infinity();
    case Side::kRight:
      return std::numeric_limits<T>::quiet_NaN();
    case Side::kAsZero:
      break;
  }
  return 0;
}

bool IsSpecial(Test test) {
  return test != Test::kLeaf && test != Test::kLessEqual && test != Test::kLess;
}

template <typename T, typename A>
class Compiler {
 public:
  Compiler(const Ensemble& ensemble, Simd simd) : ensemble_(ensemble) {
    forest_.features = ensemble.features;
    forest_.targets = ensemble.targets;
    forest_.epsilon = static_cast<T>(ensemble.zero_epsilon);
    forest_.aggregate = ensemble.aggregate;
    forest_.categories = ensemble.categories;
    forest_.simd = simd;
    forest_.start.assign(ensemble.targets, 0);
    for (size_t i = 0; i < ensemble.start.size(); ++i)
      forest_.start[i] = static_cast<A>(ensemble.start[i]);
    constexpr T kLeast = -std::numeric_limits<T>::infinity();
    forest_.slots.push_back({0, kLeast, kLeast});
    forest_.plain = IsPlain();
  }

  Forest<T, A> Take() {
    for (const Tree& tree : ensemble_.trees) AddTree(tree);
    Pack();
    AddTwigs(forest_);
    return std::move(forest_);
  }

 private:
  using Wide = Split<T, uint32_t>;

  bool IsPlain() const {
    if (ensemble_.aggregate != Aggregate::kSum) return false;
    for (const Tree& tree : ensemble_.trees) {
      uint32_t target = ensemble_.targets;
      for (const Node& node : tree.nodes) {
        if (node.test != Test::kLeaf) continue;
        if (node.count != 1) return false;
        const uint32_t own = ensemble_.weights[node.begin].target;
        if (target != ensemble_.targets && target != own) return false;
        target = own;
      }
    }
    return true;
  }

  uint32_t SlotOf(const Node& node) {
    const Side zero = IsSpecial(node.test) ? Side::kAsZero : node.zero;
    const Side nan = IsSpecial(node.test) ? Side::kRight : node.nan;
    const auto [at, added] =
        slots_.try_emplace({node.feature, nan, zero}, static_cast<uint32_t>(forest_.slots.size()));
    if (added) forest_.slots.push_back({node.feature, ValueOf<T>(nan), ValueOf<T>(zero)});
    return at->second;
  }

  void AddTree(const Tree& tree) {
    // Breadth first, so that siblings lie side by side: `order` holds the tree's nodes by new
    // place.
    std::vector<uint32_t> order = {0};
    std::vector<uint32_t> level = {0};
    const auto root = static_cast<uint32_t>(nodes_.size());
    uint32_t depth = 0;
    for (size_t i = 0; i < order.size(); ++i) {
      const Node& node = tree.nodes[order[i]];
      Wide split;
      if (node.test != Test::kLeaf) {
        split = SplitOf(node);
        split.step = static_cast<uint32_t>(order.size() - i);
        order.push_back(node.left);
        order.push_back(node.right);
        level.insert(level.end(), 2, level[i] + 1);
      }
      depth = std::max(depth, level[i]);
      if (!forest_.specials.empty() || IsSpecial(node.test)) NoteSpecial(node);
      nodes_.push_back(split);
      AddLeaf(node);
    }
    forest_.roots.push_back(root);
    forest_.depths.push_back(depth);
    if (forest_.plain) {
      const Node& leaf = tree.nodes[order.back()];  // the last one of a breadth first walk is one
      forest_.target_of.push_back(ensemble_.weights[leaf.begin].target);
    }
    AddMasks(tree, depth);
  }

  Wide SplitOf(const Node& node) {
    Wide split;
    split.slot = SlotOf(node);
    split.threshold =
        IsSpecial(node.test) ? std::numeric_limits<T>::quiet_NaN() : ThresholdOf<T>(node);
    return split;
  }

  void NoteSpecial(const Node& node) {
    forest_.special_of.resize(nodes_.size() + 1, 0);
    if (!IsSpecial(node.test)) return;
    forest_.special_of.back() = static_cast<uint32_t>(forest_.specials.size());
    Special<T> special{node.test, node.nan == Side::kLeft, static_cast<T>(node.threshold),
                       node.begin, node.count};
    // A double that no T equals.
    if (static_cast<double>(special.value) != node.threshold)
      special.value = std::numeric_limits<T>::quiet_NaN();
    forest_.specials.push_back(special);
  }

  void AddLeaf(const Node& node) {
    const bool leaf = node.test == Test::kLeaf;
    if (forest_.plain) {
      forest_.values.push_back(leaf ? static_cast<A>(ensemble_.weights[node.begin].value) : A{0});
      return;
    }
    Range list;
    list.begin = static_cast<uint32_t>(forest_.weights.size());
    for (uint32_t i = 0; leaf && i < node.count; ++i) {
      const Weight& weight = ensemble_.weights[node.begin + i];
      forest_.weights.push_back({weight.target, static_cast<A>(weight.value)});
    }
    list.end = static_cast<uint32_t>(forest_.weights.size());
    forest_.lists.push_back(list);
  }

  // Masks, when they cost less than walking: both in cycles for sixteen rows, as measured.
  void AddMasks(const Tree& tree, uint32_t depth) {
    Range words{static_cast<uint32_t>(forest_.tests_of.size()),
                static_cast<uint32_t>(forest_.tests_of.size())};
    const size_t leaves = tree.nodes.size() / 2 + 1;
    const double lanes = forest_.simd == Simd::kAvx512 ? 16 : 8;
    const double tests = static_cast<double>(leaves) * (sizeof(T) == 4 ? 1.2 : 2.2) * 16 / lanes;
    const double last =
        static_cast<double>(leaves / kLeavesOfWord + 1) * (sizeof(A) == 4 ? 6 : 24) * 16 / lanes;
    const bool worth =
        forest_.simd != Simd::kScalar && forest_.plain && tests + last < depth * 30.0 + 16;
    if (worth &&
        std::ranges::none_of(tree.nodes, [](const Node& node) { return IsSpecial(node.test); }))
      words.end = WriteMasks(tree);
    forest_.words_of.push_back(words);
  }

  struct Inner {
    uint32_t node, first, last, end;  // its leaves: left [first, last), right [last, end)
  };

  // The inner nodes with the leaves below them, numbered from left to right; `leaves` gets the
  // nodes.
  static std::vector<Inner> NumberLeaves(const Tree& tree, std::vector<uint32_t>& leaves) {
    std::vector<Inner> inner;
    std::vector<std::pair<uint32_t, int>> open = {
        {0, 0}};                       // a node; which of its children are done
    std::vector<uint32_t> unfinished;  // places in `inner`
    while (!open.empty()) {
      auto& [at, done] = open.back();
      const Node& node = tree.nodes[at];
      const auto count = static_cast<uint32_t>(leaves.size());
      if (node.test == Test::kLeaf) {
        leaves.push_back(at);
        open.pop_back();
      } else if (done == 0) {
        unfinished.push_back(static_cast<uint32_t>(inner.size()));
        inner.push_back({at, count, 0, 0});
        done = 1;
        open.emplace_back(node.left, 0);
      } else if (done == 1) {
        inner[unfinished.back()].last = count;
        done = 2;
        open.emplace_back(node.right, 0);
      } else {
        inner[unfinished.back()].end = count;
        unfinished.pop_back();
        open.pop_back();
      }
    }
    return inner;
  }

  uint32_t WriteMasks(const Tree& tree) {
    std::vector<uint32_t> leaves;
    const std::vector<Inner> inner = NumberLeaves(tree, leaves);
    for (uint32_t first = 0; first < leaves.size(); first += kLeavesOfWord) {
      const uint32_t end = first + kLeavesOfWord;
      Range tests;
      tests.begin = static_cast<uint32_t>(forest_.tests.size());
      for (const Inner& one : inner) {
        const uint32_t from = std::max(one.first, first), to = std::min(one.last, end);
        if (from >= to) continue;
        const uint64_t bits =
            ((uint64_t{1} << (to - first)) - 1) & ~((uint64_t{1} << (from - first)) - 1);
        const Wide split = SplitOf(tree.nodes[one.node]);
        forest_.tests.push_back({split.threshold, split.slot, static_cast<uint32_t>(bits)});
      }
      tests.end = static_cast<uint32_t>(forest_.tests.size());
      forest_.tests_of.push_back(tests);
      for (uint32_t i = first; i < end; ++i) {
        const double value =
            i < leaves.size() ? ensemble_.weights[tree.nodes[leaves[i]].begin].value : 0;
        forest_.word_values.push_back(static_cast<A>(value));
      }
    }
    return static_cast<uint32_t>(forest_.tests_of.size());
  }

  void Pack() {
    if (!forest_.specials.empty()) forest_.special_of.resize(nodes_.size(), 0);
    const auto fits = [this](const Wide& node) {
      constexpr uint32_t kMost = std::numeric_limits<uint16_t>::max();
      return node.slot <= kMost && node.step <= kMost;
    };
    if (!std::ranges::all_of(nodes_, fits)) {
      forest_.wide = std::move(nodes_);
      return;
    }
    forest_.narrow.reserve(nodes_.size());
    for (const Wide& node : nodes_)
      forest_.narrow.push_back(
          {node.threshold, static_cast<uint16_t>(node.slot), static_cast<uint16_t>(node.step)});
  }

  const Ensemble& ensemble_;
  Forest<T, A> forest_;
  std::vector<Wide> nodes_;
  std::map<std::tuple<uint32_t, Side, Side>, uint32_t> slots_;
};

}  // namespace

Simd BestSimd() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512cd") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    return Simd::kAvx512;
  if (__builtin_cpu_supports("avx2")) return Simd::kAvx2;
#endif
  return Simd::kScalar;
}

template <typename T, typename A>
Forest<T, A> Compile(const Ensemble& ensemble, Simd simd) {
  return Compiler<T, A>(ensemble, simd).Take();
}

template Forest<float, float> Compile(const Ensemble&, Simd);
template Forest<float, double> Compile(const Ensemble&, Simd);
template Forest<double, double> Compile(const Ensemble&, Simd);

}  // namespace slipway::inference::trees
