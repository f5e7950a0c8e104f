// SPDX-License-Identifier: Apache-2.0
#include "inference/trees/evaluate.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "inference/trees/ensemble.h"
#include "inference/trees/forest.h"

namespace slipway::inference::trees {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Random trees: `depth` at most, some leaves earlier; every kind of test and every way of missing
// values.
class Grower {
 public:
  Grower(uint64_t seed, bool categories, uint32_t features = 5)
      : random_(seed), categories_(categories), features_(features) {}

  Ensemble Grow(size_t trees, size_t depth, uint32_t targets, bool lists) {
    ensemble_ = {};
    ensemble_.features = features_;
    ensemble_.targets = targets;
    ensemble_.zero_epsilon = 1e-30;
    for (uint32_t i = 0; i < targets; ++i) ensemble_.start.push_back(0.25 * i);
    ensemble_.categories = {0b1010'1100U, 0x1U};
    for (size_t i = 0; i < trees; ++i) {
      Tree tree;
      target_ = static_cast<uint32_t>(i) % targets;
      Add(tree, depth, lists);
      ensemble_.trees.push_back(std::move(tree));
    }
    EXPECT_TRUE(CheckEnsemble(ensemble_).ok()) << CheckEnsemble(ensemble_).ToString();
    return ensemble_;
  }

  float Value() {
    constexpr float kEdges[] = {kNan, kInfinity, -kInfinity, 0.0F, -0.0F, 1e-31F, 35, -0.5F, 3e9F};
    const uint64_t kind = random_() % 4;
    if (kind == 0) return kEdges[random_() % std::size(kEdges)];
    // Few values, so that thresholds are hit exactly.
    if (kind == 1) return static_cast<float>(static_cast<int>(random_() % 9) - 4);
    return static_cast<float>(std::normal_distribution<double>(0, 2)(random_));
  }

 private:
  uint32_t Add(Tree& tree, size_t depth, bool lists) {
    const auto place = static_cast<uint32_t>(tree.nodes.size());
    tree.nodes.emplace_back();
    Node node;
    if (depth == 0 || random_() % 7 == 0) {
      node.begin = static_cast<uint32_t>(ensemble_.weights.size());
      node.count = lists ? 1 + static_cast<uint32_t>(random_() % 2) : 1;
      for (uint32_t i = 0; i < node.count; ++i)
        ensemble_.weights.push_back(
            {(target_ + i) % ensemble_.targets, std::normal_distribution<double>()(random_)});
      tree.nodes[place] = node;
      return place;
    }
    node.test = random_() % 2 == 0 ? Test::kLess : Test::kLessEqual;
    node.feature = static_cast<uint32_t>(random_() % features_);
    node.threshold = static_cast<float>(static_cast<int>(random_() % 9) - 4);
    if (random_() % 2 == 0)
      node.threshold = static_cast<float>(std::normal_distribution<double>()(random_));
    node.nan = static_cast<Side>(random_() % 3);
    node.zero = static_cast<Side>(random_() % 3);
    if (categories_ && random_() % 4 == 0) {
      constexpr Test kTests[] = {Test::kEqual, Test::kXgboostCategory, Test::kLightgbmCategory};
      node.test = kTests[random_() % 3];
      node.zero = Side::kAsZero;
      node.nan = random_() % 2 == 0 ? Side::kLeft : Side::kRight;
      node.count = 2;
    }
    node.left = Add(tree, depth - 1, lists);
    node.right = Add(tree, depth - 1, lists);
    tree.nodes[place] = node;
    return place;
  }

  std::mt19937_64 random_;
  const bool categories_;
  const uint32_t features_;
  uint32_t target_ = 0;
  Ensemble ensemble_;
};

bool Contains(const Ensemble& ensemble, const Node& node, double value) {
  const auto category = static_cast<uint32_t>(value);
  return category / 32 < node.count &&
         ((ensemble.categories[node.begin + category / 32] >> (category % 32)) & 1U) != 0;
}

// The meaning of a node, as ensemble.h words it.
bool Left(const Ensemble& ensemble, const Node& node, double value) {
  if (node.test == Test::kXgboostCategory) {
    if (std::isnan(value)) return node.nan == Side::kLeft;
    return value < 0 || value >= 16777216.0 || !Contains(ensemble, node, value);
  }
  if (node.test == Test::kLightgbmCategory)
    return value > -1 && value < 2147483648.0 && Contains(ensemble, node, std::trunc(value));
  const bool nan = std::isnan(value), zero = std::fabs(value) <= ensemble.zero_epsilon;
  const Side side = nan ? node.nan : zero ? node.zero : Side::kAsZero;
  if (side != Side::kAsZero) return side == Side::kLeft;
  if (nan || zero) value = 0;
  if (node.test == Test::kEqual) return value == node.threshold;
  return node.test == Test::kLess ? value < node.threshold : value <= node.threshold;
}

template <typename A>
std::vector<A> Reference(const Ensemble& ensemble, const std::vector<float>& rows) {
  std::vector<A> sums;
  for (size_t row = 0; row * ensemble.features < rows.size(); ++row) {
    std::vector<A> own;
    for (const double start : ensemble.start) own.push_back(static_cast<A>(start));
    for (const Tree& tree : ensemble.trees) {
      const Node* node = tree.nodes.data();
      while (node->test != Test::kLeaf) {
        const bool left = Left(ensemble, *node, rows[row * ensemble.features + node->feature]);
        node = &tree.nodes[left ? node->left : node->right];
      }
      for (uint32_t i = 0; i < node->count; ++i) {
        const Weight& weight = ensemble.weights[node->begin + i];
        own[weight.target] += static_cast<A>(weight.value);
      }
    }
    sums.insert(sums.end(), own.begin(), own.end());
  }
  return sums;
}

template <typename T, typename A>
void ExpectSame(const Ensemble& ensemble, const std::vector<float>& rows,
                const std::vector<A>& wanted, Simd simd, const std::string& what) {
  Forest<T, A> forest = Compile<T, A>(ensemble, simd);
  const std::vector<T> values(rows.begin(), rows.end());
  const size_t count = rows.size() / ensemble.features;
  for (const size_t block_from : {size_t{0}, size_t{10}, size_t{1000}}) {
    forest.block_from = block_from;
    std::vector<A> sums(count * ensemble.targets);
    std::vector<uint8_t> seen(sums.size());
    Evaluate(forest, values.data(), count, sums.data(), seen.data());
    EXPECT_EQ(sums, wanted) << what << ", " << count << " rows, together from " << block_from;
  }
}

std::vector<Simd> Kinds() {
  std::vector<Simd> kinds = {Simd::kScalar};
  if (BestSimd() >= Simd::kAvx2) kinds.push_back(Simd::kAvx2);
  if (BestSimd() >= Simd::kAvx512) kinds.push_back(Simd::kAvx512);
  return kinds;
}

void ExpectSameEverywhere(const Ensemble& ensemble, Grower& grower, const std::string& what) {
  for (const size_t rows : {1U, 3U, 9U, 16U, 40U, 131U}) {
    std::vector<float> values(rows * ensemble.features);
    for (float& value : values) value = grower.Value();
    const auto singles = Reference<float>(ensemble, values);
    const auto doubles = Reference<double>(ensemble, values);
    for (const Simd simd : Kinds()) {
      ExpectSame<float>(ensemble, values, singles, simd, what);
      ExpectSame<float>(ensemble, values, doubles, simd, what);
      ExpectSame<double>(ensemble, values, doubles, simd, what);
    }
  }
}

TEST(Evaluate, AddsWhatANodeByNodeWalkAdds) {
  for (uint64_t seed = 0; seed < 4; ++seed) {
    Grower grower(seed, false);
    ExpectSameEverywhere(grower.Grow(20, 2 + 3 * seed, 1, false), grower, "plain");
    ExpectSameEverywhere(grower.Grow(13, 4, 3, false), grower, "three targets");
  }
}

TEST(Evaluate, FeaturesMayBeMoreThanARegisterHolds) {
  for (const uint32_t features : {2U, 12U, 60U}) {
    Grower grower(features, false, features);
    ExpectSameEverywhere(grower.Grow(21, 5, 2, false), grower,
                         std::to_string(features) + " features");
  }
}

TEST(Evaluate, TreesMayBeOfDifferentDepths) {
  Grower grower(11, false);
  Ensemble all = grower.Grow(21, 3, 1, false);
  for (const size_t depth : {0U, 8U, 10U, 5U, 1U}) {
    const auto first = static_cast<uint32_t>(all.weights.size());
    Ensemble more = grower.Grow(5, depth, 1, false);
    for (Tree& tree : more.trees) {
      for (Node& node : tree.nodes) node.begin += node.test == trees::Test::kLeaf ? first : 0;
      all.trees.push_back(tree);
    }
    all.weights.insert(all.weights.end(), more.weights.begin(), more.weights.end());
  }
  ASSERT_TRUE(CheckEnsemble(all).ok());
  ExpectSameEverywhere(all, grower, "different depths");
}

TEST(Evaluate, KnowsCategoriesAndEquality) {
  for (uint64_t seed = 0; seed < 4; ++seed) {
    Grower grower(seed, true);
    ExpectSameEverywhere(grower.Grow(17, 5, 2, false), grower, "categories");
  }
}

TEST(Evaluate, LeavesMayHaveSeveralWeights) {
  Grower grower(7, true);
  ExpectSameEverywhere(grower.Grow(17, 4, 3, true), grower, "lists");
}

TEST(Evaluate, ManyLeavesOfOneTreeAreInTheRightWord) {
  Grower grower(3, false);
  ExpectSameEverywhere(grower.Grow(3, 11, 1, false), grower, "deep");
}

TEST(Evaluate, ADoubleThresholdDecidesFloatsAsDoubles) {
  Ensemble ensemble;
  ensemble.features = 1;
  const double threshold = 0.1;  // between two floats
  Tree tree;
  tree.nodes = {{trees::Test::kLessEqual, Side::kRight, Side::kAsZero, 0, threshold, 1, 2}, {}, {}};
  tree.nodes[1].begin = 0;
  tree.nodes[2].begin = 1;
  tree.nodes[1].count = tree.nodes[2].count = 1;
  ensemble.weights = {{0, 1.0}, {0, 2.0}};
  ensemble.trees = {tree};
  const Forest<float, double> forest = Compile<float, double>(ensemble, Simd::kScalar);
  const auto above = static_cast<float>(threshold);
  ASSERT_GT(static_cast<double>(above), threshold);
  const float values[] = {above, std::nextafter(above, 0.0F)};
  double sums[2];
  Evaluate(forest, values, 2, sums, nullptr);
  EXPECT_EQ(sums[0], 2.0);
  EXPECT_EQ(sums[1], 1.0);
}

Node& FirstInner(Ensemble& ensemble) {
  for (Tree& tree : ensemble.trees) {
    for (Node& node : tree.nodes) {
      if (node.test != Test::kLeaf) return node;
    }
  }
  ADD_FAILURE() << "only leaves";
  return ensemble.trees[0].nodes[0];
}

TEST(CheckEnsemble, RefusesWhatIsNoTree) {
  Grower grower(1, false);
  const Ensemble good = grower.Grow(8, 3, 1, false);
  const auto refused = [&good](auto change) {
    Ensemble bad = good;
    change(bad, FirstInner(bad));
    const base::Status status = CheckEnsemble(bad);
    EXPECT_EQ(status.reason(), "bad_model");
    return status.message();
  };
  EXPECT_EQ(refused([](Ensemble&, Node& node) { node.left = 0; }),
            "a node is reached in two ways: not a tree");
  EXPECT_EQ(refused([](Ensemble&, Node& node) { node.right = 1000; }),
            "a node's child is out of range");
  EXPECT_EQ(refused([](Ensemble&, Node& node) { node.feature = 5; }),
            "it splits on feature 5 of 5");
  EXPECT_EQ(refused([](Ensemble&, Node& node) { node.threshold = kNan; }),
            "a threshold is not a number");
  EXPECT_EQ(refused([](Ensemble& bad, Node&) { bad.weights.resize(1); }),
            "a leaf's weights are out of range");
  EXPECT_EQ(refused([](Ensemble& bad, Node&) { bad.trees.back().nodes.clear(); }),
            "a tree has no node");
}

}  // namespace
}  // namespace slipway::inference::trees
