// SPDX-License-Identifier: Apache-2.0
// Ensemble: a tree model as its file says it, whatever the file's format. The readers make it,
// Forest compiles it for speed. Value types, no invariants beyond what CheckEnsemble says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"

namespace slipway::inference::trees {

enum class Test : uint8_t {
  kLeaf,
  kLessEqual,         // left when x <= threshold
  kLess,              // left when x < threshold
  kEqual,             // left when x == threshold
  kXgboostCategory,   // left unless x is one of the node's categories
  kLightgbmCategory,  // left when x is one of the node's categories
};

// Where a value that counts as missing goes.
enum class Side : uint8_t { kLeft, kRight, kAsZero };

struct Node {
  Test test = Test::kLeaf;
  Side nan = Side::kRight;
  Side zero = Side::kAsZero;  // |x| <= Ensemble::zero_epsilon: kAsZero: compared like any number
  uint32_t feature = 0;
  double threshold = 0;
  uint32_t left = 0, right = 0;  // places in Tree::nodes
  // Categories: words of 32 bits in Ensemble::categories. A leaf: its weights in Ensemble::weights.
  uint32_t begin = 0, count = 0;
};

struct Tree {
  std::vector<Node> nodes;  // nodes[0] is the root
};

struct Weight {
  uint32_t target = 0;
  double value = 0;
};

enum class Aggregate : uint8_t { kSum, kMin, kMax };

// What is done to each feature first: (x - offset) * scale, in float. Empty: nothing.
struct Prepare {
  std::vector<float> offset, scale;
};

struct Ensemble {
  uint32_t features = 0;
  Prepare prepare;
  std::vector<std::string> names;  // of the features; empty, or `features` of them
  uint32_t targets = 1;
  std::vector<double> start;  // the sums begin with these; empty: with zeros
  Aggregate aggregate = Aggregate::kSum;
  bool double_sums = false;  // else summed in float, as the source library does
  double zero_epsilon = 0;
  std::vector<Tree> trees;
  std::vector<Weight> weights;
  std::vector<uint32_t> categories;
};

inline constexpr size_t kMostTrees = 200'000;
inline constexpr size_t kMostNodes = 64'000'000;  // of all trees together
inline constexpr size_t kMostDepth = 60'000;      // of one tree
inline constexpr uint32_t kMostFeatures = 1'000'000;
inline constexpr uint32_t kMostTargets = 10'000;

// kInvalidArgument (field "model", reason "bad_model") with what is wrong.
base::Status BadModel(const std::string& why);

// Every reference lies inside, every node but the root is the child of exactly one node, and
// nothing is larger than the limits above. Readers call it last; Forest relies on it.
base::Status CheckEnsemble(const Ensemble& ensemble);

}  // namespace slipway::inference::trees
