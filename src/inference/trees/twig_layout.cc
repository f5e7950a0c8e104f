// SPDX-License-Identifier: Apache-2.0
// Loading a version: trees cut into twigs of three levels.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "inference/trees/forest.h"
#include "inference/trees/twigs.h"

namespace slipway::inference::trees {
namespace {

constexpr size_t kWays = 8;  // out of a twig

// One tree's nodes, breadth first as in Forest.
template <typename N>
class Cut {
 public:
  using Exits = std::array<uint32_t, kWays>;

  Cut(const N* nodes, size_t count) : nodes_(nodes), steps_(count, 0) {
    for (size_t node = count; node-- > 0;) {  // children stand behind their parents
      if (IsLeaf(static_cast<uint32_t>(node))) continue;
      for (const uint32_t exit : ExitsOf(static_cast<uint32_t>(node)))
        steps_[node] = std::max(steps_[node], steps_[exit] + 1);
    }
  }

  [[nodiscard]] bool IsLeaf(uint32_t node) const { return nodes_[node].step == 0; }
  // From a twig at `node` to the last of its leaves.
  [[nodiscard]] uint32_t StepsFrom(uint32_t node) const { return steps_[node]; }

  [[nodiscard]] uint32_t Down(uint32_t node, bool right) const {
    return IsLeaf(node) ? node : node + static_cast<uint32_t>(nodes_[node].step) + (right ? 1 : 0);
  }
  [[nodiscard]] Exits ExitsOf(uint32_t node) const {
    Exits exits;
    for (uint32_t way = 0; way < kWays; ++way)
      exits[way] = Down(Down(Down(node, (way & 4) != 0), (way & 2) != 0), (way & 1) != 0);
    return exits;
  }

 private:
  const N* nodes_;
  std::vector<uint32_t> steps_;
};

template <typename T, typename A, typename N>
class Cutter {
 public:
  Cutter(Forest<T, A>& forest, const std::vector<N>& nodes) : forest_(forest), nodes_(nodes) {}

  // False: there are more places than can be named, or more twigs than are worth it.
  bool Run() {
    const size_t trees = forest_.roots.size();
    for (size_t tree = 0; tree < trees; ++tree) {
      const size_t end = tree + 1 < trees ? forest_.roots[tree + 1] : nodes_.size();
      if (!AddTree(forest_.roots[tree], end)) return false;
    }
    return true;
  }

 private:
  static constexpr uint32_t kLast = uint32_t{1} << 31;  // of a place: among the last leaves

  bool AddTree(uint32_t root, size_t end) {
    const N* nodes = nodes_.data() + root;
    const Cut<N> cut(nodes, end - root);
    TwigTree tree;
    const auto number = static_cast<uint32_t>(forest_.twig_trees.size());
    tree.first = static_cast<uint32_t>(forest_.twigs.size());
    tree.values = static_cast<uint32_t>(forest_.twig_values.size());
    const uint32_t steps = cut.StepsFrom(0);
    if (forest_.twig_runs.empty() || forest_.twig_runs.back().steps != steps)
      forest_.twig_runs.push_back({number, number, steps});
    ++forest_.twig_runs.back().end;
    places_ = {{0, steps}};
    last_.clear();
    next_.clear();
    for (size_t i = 0; i < places_.size(); ++i) {
      AddTwig(cut, nodes, i);
      if (places_.size() + last_.size() > std::numeric_limits<uint16_t>::max()) return false;
    }
    if (forest_.twigs.size() * sizeof(Twig<T>) > kMostTwigBytes) return false;
    for (size_t i = 0; i < next_.size(); ++i) {
      const uint32_t place = (next_[i] & kLast) == 0
                                 ? next_[i]
                                 : static_cast<uint32_t>(places_.size()) + (next_[i] & ~kLast);
      forest_.twigs[tree.first + i / kWays].next[i % kWays] = static_cast<uint16_t>(place);
    }
    for (const auto& [node, left] : places_)
      forest_.twig_values.push_back(forest_.values[root + node]);
    for (const uint32_t node : last_) forest_.twig_values.push_back(forest_.values[root + node]);
    forest_.twig_trees.push_back(tree);
    return true;
  }

  // The twig of the i-th place; what it leads to gets a place.
  void AddTwig(const Cut<N>& cut, const N* nodes, size_t i) {
    const auto [node, left] = places_[i];
    Twig<T> twig;
    const uint32_t low = cut.Down(node, false), high = cut.Down(node, true);
    const uint32_t tests[] = {node,
                              low,
                              high,
                              cut.Down(low, false),
                              cut.Down(low, true),
                              cut.Down(high, false),
                              cut.Down(high, true)};
    for (size_t test = 0; test < std::size(tests); ++test) {
      if (cut.IsLeaf(tests[test])) continue;
      twig.thresholds[test] = nodes[tests[test]].threshold;
      twig.slots[test] = static_cast<uint8_t>(nodes[tests[test]].slot);
    }
    forest_.twigs.push_back(twig);
    const auto exits = cut.ExitsOf(node);
    for (size_t way = 0; way < kWays; ++way) {
      if (way > 0 && exits[way] == exits[way - 1]) {
        next_.push_back(next_.back());
      } else if (exits[way] == node) {
        next_.push_back(static_cast<uint32_t>(i));
      } else if (left > 1) {
        next_.push_back(static_cast<uint32_t>(places_.size()));
        places_.emplace_back(exits[way], left - 1);
      } else {
        next_.push_back(kLast | static_cast<uint32_t>(last_.size()));
        last_.push_back(exits[way]);
      }
    }
  }

  Forest<T, A>& forest_;
  const std::vector<N>& nodes_;
  // Of one tree:
  std::vector<std::pair<uint32_t, uint32_t>> places_;  // of twigs: the node, and steps left there
  std::vector<uint32_t> last_;                         // nodes
  std::vector<uint32_t> next_;                         // kWays for each twig
};

}  // namespace

template <typename T, typename A>
void AddTwigs(Forest<T, A>& forest) {
  if (!TwigsFit(forest)) return;
  const bool done =
      forest.wide.empty() ? Cutter(forest, forest.narrow).Run() : Cutter(forest, forest.wide).Run();
  if (done) return;
  forest.twigs.clear();
  forest.twig_trees.clear();
  forest.twig_runs.clear();
  forest.twig_values.clear();
}

template void AddTwigs(Forest<float, float>&);
template void AddTwigs(Forest<float, double>&);
template void AddTwigs(Forest<double, double>&);

}  // namespace slipway::inference::trees
