// SPDX-License-Identifier: Apache-2.0
// Loading a version: the attributes of ONNX's tree operators.
#include "inference/trees/onnx_ensemble.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/status.h"
#include "inference/trees/ensemble.h"
#include "inference/trees/onnx_proto.h"

namespace slipway::inference::trees {
namespace {

class Attributes {
 public:
  explicit Attributes(const OnnxNode& node) : node_(node) {}
  [[nodiscard]] const OnnxAttribute& Get(std::string_view name) const {
    static const OnnxAttribute kNone;
    for (const OnnxAttribute& attribute : node_.attributes) {
      if (attribute.name == name) return attribute;
    }
    return kNone;
  }
  // floats, or the doubles of `name`_as_tensor.
  [[nodiscard]] std::vector<double> Numbers(const std::string& name) const {
    const OnnxAttribute& floats = Get(name);
    if (!floats.floats.empty()) return {floats.floats.begin(), floats.floats.end()};
    return Get(name + "_as_tensor").tensor.values;
  }

 private:
  const OnnxNode& node_;
};

base::Result<PostTransform> TransformOf(std::string_view name) {
  constexpr std::pair<std::string_view, PostTransform> kTransforms[] = {
      {"", PostTransform::kNone},
      {"NONE", PostTransform::kNone},
      {"SOFTMAX", PostTransform::kSoftmax},
      {"LOGISTIC", PostTransform::kLogistic},
      {"SOFTMAX_ZERO", PostTransform::kSoftmaxZero},
      {"PROBIT", PostTransform::kProbit}};
  for (const auto& [known, transform] : kTransforms) {
    if (known == name) return transform;
  }
  return BadModel("unknown post_transform");
}

class Reader {
 public:
  Reader(const OnnxNode& node, bool doubles) : attributes_(node), doubles_(doubles) {
    trees_.link.classifier = node.op == "TreeEnsembleClassifier";
  }

  base::Result<OnnxTrees> Read() {
    TRY(ReadLink());
    TRY(ReadNodes());
    TRY(ReadWeights());
    for (const Tree& tree : trees_.ensemble.trees) {
      for (const Node& node : tree.nodes) {
        if (node.test == Test::kLeaf && node.count == 0) return BadModel("a leaf has no weight");
      }
    }
    if (attributes_.Get("aggregate_function").s == "AVERAGE")
      trees_.link.trees = static_cast<double>(trees_.ensemble.trees.size());
    return std::move(trees_);
  }

 private:
  base::Status ReadLink() {
    OnnxLink& link = trees_.link;
    Ensemble& ensemble = trees_.ensemble;
    link.transform = TRY(TransformOf(attributes_.Get("post_transform").s));
    link.base = attributes_.Numbers("base_values");
    ensemble.double_sums = doubles_;
    const std::string_view aggregate = attributes_.Get("aggregate_function").s;
    if (aggregate == "MIN") ensemble.aggregate = Aggregate::kMin;
    if (aggregate == "MAX") ensemble.aggregate = Aggregate::kMax;
    link.aggregate = ensemble.aggregate;
    int64_t targets = attributes_.Get("n_targets").i;
    if (link.classifier) {
      link.int_labels = attributes_.Get("classlabels_int64s").ints;
      for (const std::string_view label : attributes_.Get("classlabels_strings").strings)
        link.text_labels.emplace_back(label);
      targets = static_cast<int64_t>(link.text_labels.empty() ? link.int_labels.size()
                                                              : link.text_labels.size());
      if (targets < 2) return NotTrees("a classifier of one class");
      if (ensemble.aggregate != Aggregate::kSum || aggregate == "AVERAGE")
        return NotTrees("a classifier that does not add");
    }
    if (targets < 1 || targets > kMostTargets) return BadModel("no output, or too many");
    ensemble.targets = static_cast<uint32_t>(targets);
    return base::Status::Ok();
  }

  struct NodeArrays {
    const std::vector<int64_t>&ids, &features, &yes, &no, &missing;
    const std::vector<std::string_view>& modes;
    std::vector<double> values;
  };
  struct Places {
    size_t tree = 0;
    std::unordered_map<int64_t, uint32_t> node;
  };

  base::Status ReadTree(const NodeArrays& arrays, size_t begin, size_t end, Places& places) {
    places.tree = trees_.ensemble.trees.size();
    Tree tree;
    tree.nodes.resize(end - begin);
    for (size_t i = begin; i < end; ++i) {
      if (!places.node.try_emplace(arrays.ids[i], static_cast<uint32_t>(i - begin)).second)
        return BadModel("a node is there twice");
    }
    for (size_t i = begin; i < end; ++i) {
      const bool tracks = !arrays.missing.empty() && arrays.missing[i] == 1;
      TRY(SetNode({arrays.modes[i], arrays.features[i], arrays.values[i], arrays.yes[i],
                   arrays.no[i], tracks},
                  places, tree.nodes[i - begin]));
    }
    trees_.ensemble.trees.push_back(std::move(tree));
    return base::Status::Ok();
  }

  base::Status ReadNodes() {
    const std::vector<int64_t>& trees = attributes_.Get("nodes_treeids").ints;
    const std::vector<int64_t>& ids = attributes_.Get("nodes_nodeids").ints;
    const size_t count = trees.size();
    if (count == 0 || count > kMostNodes) return BadModel("no nodes, or too many");
    const NodeArrays arrays{ids,
                            attributes_.Get("nodes_featureids").ints,
                            attributes_.Get("nodes_truenodeids").ints,
                            attributes_.Get("nodes_falsenodeids").ints,
                            attributes_.Get("nodes_missing_value_tracks_true").ints,
                            attributes_.Get("nodes_modes").strings,
                            attributes_.Numbers("nodes_values")};
    for (const size_t size : {ids.size(), arrays.values.size(), arrays.features.size(),
                              arrays.yes.size(), arrays.no.size(), arrays.modes.size(),
                              arrays.missing.empty() ? count : arrays.missing.size()}) {
      if (size != count) return BadModel("its arrays of nodes differ in length");
    }
    for (size_t begin = 0; begin < count;) {
      size_t end = begin;
      while (end < count && trees[end] == trees[begin]) ++end;
      if (!places_.try_emplace(trees[begin]).second)
        return NotTrees("the nodes of a tree do not follow each other");
      if (trees_.ensemble.trees.size() >= kMostTrees) return BadModel("too many trees");
      TRY(ReadTree(arrays, begin, end, places_[trees[begin]]));
      begin = end;
    }
    return base::Status::Ok();
  }

  struct Source {
    std::string_view mode;
    int64_t feature;
    double value;
    int64_t yes, no;
    bool tracks;  // a missing value goes where the test holds
  };

  // `x >= t` is `x < t` with the children swapped, and so on; NaN fails every test but NEQ.
  static base::Status SetNode(const Source& source, const Places& places, Node& node) {
    struct Mode {
      std::string_view name;
      Test test;
      bool swapped;
    };
    constexpr Mode kModes[] = {
        {"BRANCH_LEQ", Test::kLessEqual, false}, {"BRANCH_LT", Test::kLess, false},
        {"BRANCH_GT", Test::kLessEqual, true},   {"BRANCH_GTE", Test::kLess, true},
        {"BRANCH_EQ", Test::kEqual, false},      {"BRANCH_NEQ", Test::kEqual, true},
    };
    if (source.mode == "LEAF") return base::Status::Ok();
    const auto* mode = std::ranges::find(kModes, source.mode, &Mode::name);
    if (mode == std::end(kModes)) return NotTrees("a test of an unknown mode");
    const auto yes = places.node.find(source.yes), no = places.node.find(source.no);
    if (yes == places.node.end() || no == places.node.end())
      return BadModel("a node's child is missing");
    if (source.feature < 0 || source.feature >= kMostFeatures)
      return BadModel("a feature is out of range");
    node.test = mode->test;
    node.feature = static_cast<uint32_t>(source.feature);
    node.threshold = source.value;
    node.left = mode->swapped ? no->second : yes->second;
    node.right = mode->swapped ? yes->second : no->second;
    const bool nan_holds = source.tracks || source.mode == "BRANCH_NEQ";
    node.nan = nan_holds == mode->swapped ? Side::kRight : Side::kLeft;
    return base::Status::Ok();
  }

  base::Result<Node*> NodeAt(int64_t tree_id, int64_t node_id) {
    const auto tree = places_.find(tree_id);
    if (tree == places_.end()) return BadModel("a weight's tree is missing");
    const auto node = tree->second.node.find(node_id);
    if (node == tree->second.node.end()) return BadModel("a weight's node is missing");
    return &trees_.ensemble.trees[tree->second.tree].nodes[node->second];
  }

  void AddWeight(Node& leaf, const Weight& weight) {
    Ensemble& ensemble = trees_.ensemble;
    if (leaf.count > 0 && ensemble.targets == 1) return;  // with one output only the first counts
    if (leaf.count == 0) leaf.begin = static_cast<uint32_t>(ensemble.weights.size());
    ++leaf.count;
    ensemble.weights.push_back(weight);
  }

  base::Status ReadWeights() {
    const std::string prefix = trees_.link.classifier ? "class_" : "target_";
    const std::vector<int64_t>& trees = attributes_.Get(prefix + "treeids").ints;
    const std::vector<int64_t>& nodes = attributes_.Get(prefix + "nodeids").ints;
    const std::vector<int64_t>& targets = attributes_.Get(prefix + "ids").ints;
    const std::vector<double> values = attributes_.Numbers(prefix + "weights");
    const size_t count = trees.size();
    if (nodes.size() != count || targets.size() != count || values.size() != count ||
        count > kMostNodes * 4)
      return BadModel("its arrays of weights differ in length");
    Ensemble& ensemble = trees_.ensemble;
    std::vector<std::pair<Node*, size_t>> order;  // leaf, place in the arrays
    std::set<int64_t> used;
    trees_.link.all_positive = true;
    for (size_t i = 0; i < count; ++i) {
      if (targets[i] < 0 || targets[i] >= ensemble.targets)
        return BadModel("a weight's output is out of range");
      used.insert(targets[i]);
      if (values[i] < 0) trees_.link.all_positive = false;
      Node& leaf = *TRY(NodeAt(trees[i], nodes[i]));
      if (leaf.test == Test::kLeaf)
        order.emplace_back(&leaf, i);  // ONNX Runtime ignores those of other nodes
    }
    trees_.link.binary_case = ensemble.targets == 2 && used.size() == 1;
    std::ranges::stable_sort(order, {}, &std::pair<Node*, size_t>::first);
    for (const auto& [leaf, place] : order)
      AddWeight(*leaf, {static_cast<uint32_t>(targets[place]), values[place]});
    trees_.link.always.assign(ensemble.targets, 0);
    for (const int64_t target : used) trees_.link.always[static_cast<size_t>(target)] = 1;
    return base::Status::Ok();
  }

  const Attributes attributes_;
  const bool doubles_;
  OnnxTrees trees_;
  std::unordered_map<int64_t, Places> places_;
};

}  // namespace

base::Result<OnnxTrees> ReadOnnxTrees(const OnnxNode& node, bool doubles) {
  return Reader(node, doubles).Read();
}

}  // namespace slipway::inference::trees
