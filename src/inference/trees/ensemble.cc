// SPDX-License-Identifier: Apache-2.0
// Loading a version: what a tree model's file says is held against the limits and against itself.
#include "inference/trees/ensemble.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"

namespace slipway::inference::trees {
namespace {

base::Status CheckNode(const Ensemble& ensemble, const Node& node, size_t nodes) {
  const auto inside = [&](size_t size) {
    return node.begin <= size && node.count <= size - node.begin;
  };
  if (node.test == Test::kLeaf) {
    if (!inside(ensemble.weights.size())) return BadModel("a leaf's weights are out of range");
    return base::Status::Ok();
  }
  if (node.feature >= ensemble.features) {
    return BadModel("it splits on feature " + std::to_string(node.feature) + " of " +
                    std::to_string(ensemble.features));
  }
  if (node.left >= nodes || node.right >= nodes) return BadModel("a node's child is out of range");
  const bool categorical =
      node.test == Test::kXgboostCategory || node.test == Test::kLightgbmCategory;
  if (categorical && !inside(ensemble.categories.size()))
    return BadModel("a node's categories are out of range");
  if (!categorical && std::isnan(node.threshold)) return BadModel("a threshold is not a number");
  // x < -infinity never holds, but a missing value may still go left there: nobody trains such a
  // tree.
  if (node.test == Test::kLess && node.threshold < 0 && std::isinf(node.threshold))
    return BadModel("a threshold is minus infinity");
  return base::Status::Ok();
}

// The nodes below the root, each once.
base::Status CheckShape(const Tree& tree) {
  std::vector<bool> seen(tree.nodes.size(), false);
  std::vector<std::pair<uint32_t, size_t>> open = {{0U, size_t{0}}};
  seen[0] = true;
  while (!open.empty()) {
    const auto [at, depth] = open.back();
    open.pop_back();
    const Node& node = tree.nodes[at];
    if (node.test == Test::kLeaf) continue;
    if (depth >= kMostDepth) return BadModel("a tree is deeper than " + std::to_string(kMostDepth));
    for (const uint32_t child : {node.left, node.right}) {
      if (seen[child]) return BadModel("a node is reached in two ways: not a tree");
      seen[child] = true;
      open.emplace_back(child, depth + 1);
    }
  }
  return base::Status::Ok();
}

}  // namespace

base::Status BadModel(const std::string& why) {
  return base::InvalidArgument("model", why, "bad_model");
}

namespace {

base::Status CheckSizes(const Ensemble& ensemble) {
  if (ensemble.features == 0 || ensemble.features > kMostFeatures)
    return BadModel("expected 1 to " + std::to_string(kMostFeatures) + " features, got " +
                    std::to_string(ensemble.features));
  if (ensemble.targets == 0 || ensemble.targets > kMostTargets)
    return BadModel("expected 1 to " + std::to_string(kMostTargets) + " outputs, got " +
                    std::to_string(ensemble.targets));
  if (ensemble.trees.size() > kMostTrees)
    return BadModel("more than " + std::to_string(kMostTrees) + " trees");
  if (!ensemble.start.empty() && ensemble.start.size() != ensemble.targets)
    return BadModel("expected one base value for each output");
  if (!ensemble.names.empty() && ensemble.names.size() != ensemble.features)
    return BadModel("expected one name for each feature");
  return base::Status::Ok();
}

}  // namespace

base::Status CheckEnsemble(const Ensemble& ensemble) {
  TRY(CheckSizes(ensemble));
  size_t nodes = 0;
  for (const Tree& tree : ensemble.trees) {
    if (tree.nodes.empty()) return BadModel("a tree has no node");
    nodes += tree.nodes.size();
    if (nodes > kMostNodes) return BadModel("more than " + std::to_string(kMostNodes) + " nodes");
    for (const Node& node : tree.nodes) TRY(CheckNode(ensemble, node, tree.nodes.size()));
    TRY(CheckShape(tree));
  }
  for (const Weight& weight : ensemble.weights) {
    if (weight.target >= ensemble.targets) return BadModel("a leaf's output is out of range");
  }
  return base::Status::Ok();
}

}  // namespace slipway::inference::trees
