// SPDX-License-Identifier: Apache-2.0
// Loading a version: XGBoost's model
// (https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html), and what the library's
// own predictor does with it.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "inference/tensor.h"
#include "inference/trees/document.h"
#include "inference/trees/ensemble.h"
#include "inference/trees/model.h"
#include "inference/trees/xgboost_link.h"

namespace slipway::inference::trees {
namespace {

constexpr int64_t kMostCategory = 1 << 24;  // floats hold every integer below it
constexpr size_t kMostCategoryWords = 256'000'000;

base::Result<int64_t> IntegerText(const Value& object, std::string_view key,
                                  std::optional<int64_t> otherwise = {}) {
  if (otherwise && object.Find(key) == nullptr) return *otherwise;
  const std::string text = TRY(object.Text(key));
  int64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size() || value < 0)
    return BadModel("expected a whole number in \"" + std::string(key) + "\", got \"" + text +
                    "\"");
  return value;
}

// "5E-1", or since 3.1 "[5E-1,2E-1]", one for each output.
base::Result<std::vector<float>> BaseScores(const std::string& text) {
  const Value value = TRY(ParseJsonDocument(text));
  std::vector<float> scores;
  if (value.number() != nullptr) scores.push_back(static_cast<float>(*value.number()));
  if (value.numbers() != nullptr) {
    for (const double score : *value.numbers()) scores.push_back(static_cast<float>(score));
  }
  if (scores.empty()) return BadModel("expected numbers in \"base_score\", got \"" + text + "\"");
  return scores;
}

// The arrays of one tree, by node.
struct Arrays {
  std::span<const double> left, right, condition, feature, default_left, split_type;
  std::span<const double> leaves;  // of vector leaves: `vector` numbers for each of them
  size_t vector = 0;
  bool leaves_by_node = false;  // before 3.2 vector leaves were the nodes' base weights
};

class Reader {
 public:
  Reader(const Value& root, const ReadOptions& options) : root_(root), options_(options) {}

  base::Result<Model> Read() {
    learner_ = TRY(root_.Member("learner"));
    const Value& parameters = *TRY(learner_->Member("learner_model_param"));
    const int64_t features = TRY(IntegerText(parameters, "num_feature"));
    classes_ = TRY(IntegerText(parameters, "num_class", 0));
    const int64_t targets =
        std::max({TRY(IntegerText(parameters, "num_target", 1)), classes_, int64_t{1}});
    if (features > kMostFeatures || targets > kMostTargets)
      return BadModel("too many features or outputs");
    ensemble_.features = static_cast<uint32_t>(features);
    ensemble_.targets = static_cast<uint32_t>(targets);
    TRY(ReadNames());
    TRY(ReadBooster());
    TRY(CheckEnsemble(ensemble_));
    TRY(SetStart(TRY(parameters.Text("base_score"))));
    return Describe();
  }

 private:
  base::Status ReadNames() {
    if (learner_->Find("feature_names") == nullptr) return base::Status::Ok();
    for (const Value& name : *TRY(learner_->ValueArray("feature_names"))) {
      if (name.text() == nullptr) return BadModel("expected strings in \"feature_names\"");
      ensemble_.names.push_back(*name.text());
    }
    return base::Status::Ok();
  }

  base::Status ReadBooster() {
    const Value* booster = TRY(learner_->Member("gradient_booster"));
    const std::string name = TRY(booster->Text("name"));
    std::vector<double> weights;
    if (name == "dart") {
      weights = *TRY(booster->NumberArray("weight_drop"));
      booster = TRY(booster->Member("gbtree"));
    } else if (name != "gbtree") {
      return BadModel("booster \"" + name + "\" is not made of trees");
    }
    const Value& model = *TRY(booster->Member("model"));
    const Value::Array& trees = *TRY(model.ValueArray("trees"));
    const Value::Numbers& groups = *TRY(model.NumberArray("tree_info"));
    if (groups.size() != trees.size())
      return BadModel("\"tree_info\" is not one number for each tree");
    if (name == "dart" && weights.size() != trees.size())
      return BadModel("\"weight_drop\" is not one number for each tree");
    if (trees.size() > kMostTrees)
      return BadModel("more than " + std::to_string(kMostTrees) + " trees");
    const size_t used = TRY(UsedTrees(model, trees.size()));
    for (size_t i = 0; i < used; ++i) {
      if (!(groups[i] >= 0 && groups[i] < ensemble_.targets))
        return BadModel("\"tree_info\" names an output that is not there");
      group_ = static_cast<uint32_t>(groups[i]);
      drop_ = weights.empty() ? 1.0F : static_cast<float>(weights[i]);
      auto status = ReadTree(trees[i]);
      if (!status.ok()) return std::move(status).Annotate("tree " + std::to_string(i));
    }
    return base::Status::Ok();
  }

  // The scikit-learn classes predict with the trees up to the best iteration of early stopping; a
  // Booster with all.
  base::Result<size_t> UsedTrees(const Value& model, size_t trees) {
    const Value* attributes = learner_->Find("attributes");
    const Value* wrapper = attributes == nullptr ? nullptr : attributes->Find("scikit_learn");
    wrapped_ = wrapper != nullptr;
    classifier_ = wrapped_ && wrapper->text() != nullptr &&
                  wrapper->text()->find("\"classifier\"") != std::string::npos;
    if (!wrapped_ || attributes->Find("best_iteration") == nullptr) return trees;
    const auto best = static_cast<size_t>(TRY(IntegerText(*attributes, "best_iteration")));
    if (model.Find("iteration_indptr") == nullptr) return trees;
    const Value::Numbers& ends = *TRY(model.NumberArray("iteration_indptr"));
    if (best + 1 >= ends.size()) return trees;
    const double end = ends[best + 1];
    if (!(end >= 0 && end <= static_cast<double>(trees)))
      return BadModel("\"iteration_indptr\" is out of range");
    return static_cast<size_t>(end);
  }

  base::Result<Arrays> ArraysOf(const Value& tree) const {
    Arrays arrays;
    arrays.left = *TRY(tree.NumberArray("left_children"));
    arrays.right = *TRY(tree.NumberArray("right_children"));
    arrays.condition = *TRY(tree.NumberArray("split_conditions"));
    arrays.feature = *TRY(tree.NumberArray("split_indices"));
    arrays.default_left = *TRY(tree.NumberArray("default_left"));
    if (tree.Find("split_type") != nullptr)
      arrays.split_type = *TRY(tree.NumberArray("split_type"));
    const size_t nodes = arrays.left.size();
    for (const auto& array :
         {arrays.right, arrays.condition, arrays.feature, arrays.default_left}) {
      if (array.size() != nodes) return BadModel("its arrays differ in length");
    }
    if (!arrays.split_type.empty() && arrays.split_type.size() != nodes)
      return BadModel("its arrays differ in length");
    const Value& parameters = *TRY(tree.Member("tree_param"));
    const int64_t vector = TRY(IntegerText(parameters, "size_leaf_vector", 1));
    if (vector > 1) {
      if (vector != ensemble_.targets)
        return BadModel("a leaf's vector is not one number for each output");
      arrays.vector = static_cast<size_t>(vector);
      arrays.leaves_by_node = tree.Find("leaf_weights") == nullptr;
      arrays.leaves =
          *TRY(tree.NumberArray(arrays.leaves_by_node ? "base_weights" : "leaf_weights"));
    }
    return arrays;
  }

  base::Status ReadTree(const Value& source) {
    const Arrays arrays = TRY(ArraysOf(source));
    const size_t nodes = arrays.left.size();
    if (nodes == 0 || nodes > kMostNodes) return BadModel("it has no node, or too many");
    Tree tree;
    tree.nodes.resize(nodes);
    for (size_t i = 0; i < nodes; ++i) {
      if (arrays.left[i] == -1) {
        TRY(ReadLeaf(arrays, i, tree.nodes[i]));
      } else {
        TRY(ReadSplit(arrays, i, tree.nodes[i]));
      }
    }
    TRY(ReadCategories(source, tree));
    ensemble_.trees.push_back(std::move(tree));
    return base::Status::Ok();
  }

  base::Status ReadLeaf(const Arrays& arrays, size_t place, Node& node) {
    node.begin = static_cast<uint32_t>(ensemble_.weights.size());
    if (arrays.vector == 0) {
      node.count = 1;
      // A product in float, as the library adds it for DART.
      const float value = static_cast<float>(arrays.condition[place]) * drop_;
      ensemble_.weights.push_back({group_, static_cast<double>(value)});
      return base::Status::Ok();
    }
    const double leaf = arrays.leaves_by_node ? static_cast<double>(place) : arrays.right[place];
    if (!(leaf >= 0 && (leaf + 1) * static_cast<double>(arrays.vector) <=
                           static_cast<double>(arrays.leaves.size()))) {
      // A node that was deleted has no values, and no way leads to it.
      node.count = 0;
      return base::Status::Ok();
    }
    node.count = static_cast<uint32_t>(arrays.vector);
    for (uint32_t i = 0; i < node.count; ++i)
      ensemble_.weights.push_back(
          {i, arrays.leaves[static_cast<size_t>(leaf) * arrays.vector + i]});
    return base::Status::Ok();
  }

  static base::Status ReadSplit(const Arrays& arrays, size_t place, Node& node) {
    const auto nodes = static_cast<double>(arrays.left.size());
    // The library's predictor takes the right child to lie behind the left one.
    if (!(arrays.left[place] > 0 && arrays.left[place] + 1 < nodes) ||
        arrays.right[place] != arrays.left[place] + 1)
      return BadModel("the children of node " + std::to_string(place) +
                      " are out of range or apart");
    const double feature = arrays.feature[place];
    if (!(feature >= 0 && feature < kMostFeatures)) return BadModel("a feature is out of range");
    node.test = Test::kLess;
    node.nan = arrays.default_left[place] != 0 ? Side::kLeft : Side::kRight;
    node.feature = static_cast<uint32_t>(feature);
    node.threshold = static_cast<double>(static_cast<float>(arrays.condition[place]));
    node.left = static_cast<uint32_t>(arrays.left[place]);
    node.right = node.left + 1;
    if (!arrays.split_type.empty() && arrays.split_type[place] == 1) {
      node.test = Test::kXgboostCategory;
      node.threshold = 0;
    }
    return base::Status::Ok();
  }

  base::Status ReadCategories(const Value& source, Tree& tree) {
    if (source.Find("categories_nodes") == nullptr) return base::Status::Ok();
    const Value::Numbers& nodes = *TRY(source.NumberArray("categories_nodes"));
    if (nodes.empty()) return base::Status::Ok();
    const Value::Numbers& begins = *TRY(source.NumberArray("categories_segments"));
    const Value::Numbers& sizes = *TRY(source.NumberArray("categories_sizes"));
    const Value::Numbers& all = *TRY(source.NumberArray("categories"));
    if (begins.size() != nodes.size() || sizes.size() != nodes.size())
      return BadModel("its arrays of categories differ in length");
    for (size_t i = 0; i < nodes.size(); ++i) {
      const double begin = begins[i], size = sizes[i];
      if (!(nodes[i] >= 0 && nodes[i] < static_cast<double>(tree.nodes.size()) && begin >= 0 &&
            size > 0 && begin + size <= static_cast<double>(all.size())))
        return BadModel("its categories are out of range");
      TRY(AddCategories(
          std::span(all).subspan(static_cast<size_t>(begin), static_cast<size_t>(size)),
          tree.nodes[static_cast<size_t>(nodes[i])]));
    }
    return base::Status::Ok();
  }

  base::Status AddCategories(std::span<const double> categories, Node& node) {
    if (node.test != Test::kXgboostCategory)
      return BadModel("categories of a node without a categorical test");
    const double most = *std::ranges::max_element(categories);
    if (!(most >= 0 && most < static_cast<double>(kMostCategory)))
      return BadModel("a category is out of range");
    std::vector<uint32_t>& words = ensemble_.categories;
    node.begin = static_cast<uint32_t>(words.size());
    node.count = static_cast<uint32_t>(most) / 32 + 1;
    if (words.size() + node.count > kMostCategoryWords) return BadModel("too many categories");
    words.resize(words.size() + node.count, 0);
    for (const double category : categories) {
      if (!(category >= 0)) return BadModel("a category is out of range");
      const auto place = static_cast<uint32_t>(category);
      words[node.begin + place / 32] |= 1U << (place % 32);
    }
    return base::Status::Ok();
  }

  base::Status SetStart(const std::string& base_score) {
    std::vector<float> scores = TRY(BaseScores(base_score));
    if (scores.size() == 1) scores.resize(ensemble_.targets, scores[0]);
    if (scores.size() != ensemble_.targets)
      return BadModel("\"base_score\" is not one number for each output");
    const Value& objective = *TRY(learner_->Member("objective"));
    link_ = TRY(LinkOf(TRY(objective.Text("name"))));
    for (const float score : scores)
      ensemble_.start.push_back(static_cast<double>(MarginOf(link_, score)));
    return base::Status::Ok();
  }

  base::Result<Model> Describe() {
    Model model;
    model.platform = "xgboost";
    model.input = {"input", DataType::kFp32, {-1, static_cast<int64_t>(ensemble_.features)}};
    model.input.also = {DataType::kFp64};  // becomes float, as in a DMatrix
    const Answer answer =
        TRY(AnswerOf(link_, options_.output, wrapped_ && classifier_, ensemble_.targets));
    model.outputs.push_back(AnswerSpec(answer, ensemble_.targets));
    model.finish = [answer](const Sums& sums) {
      return std::vector<NamedTensor>{FinishXgboost(answer, sums)};
    };
    model.ensemble = std::move(ensemble_);
    return model;
  }

  const Value& root_;
  const ReadOptions& options_;
  const Value* learner_ = nullptr;
  Ensemble ensemble_;
  int64_t classes_ = 0;
  uint32_t group_ = 0;
  float drop_ = 1;
  bool wrapped_ = false, classifier_ = false;
  Link link_ = Link::kIdentity;
};

}  // namespace

base::Result<Model> ReadXgboost(std::string_view bytes, const ReadOptions& options) {
  const size_t second = bytes.find_first_not_of(" \t\r\n", 1);
  if (bytes.empty() || bytes[0] != '{' || second == std::string_view::npos)
    return BadModel("not an XGBoost model in JSON or UBJSON");
  const bool json = bytes[second] == '"' || bytes[second] == '}';
  const Value root = TRY(json ? ParseJsonDocument(bytes) : ParseUbjsonDocument(bytes));
  return Reader(root, options).Read();
}

}  // namespace slipway::inference::trees
