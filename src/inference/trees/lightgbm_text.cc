// SPDX-License-Identifier: Apache-2.0
// Loading a version: LightGBM's text model (src/boosting/gbdt_model_text.cpp there), and what its
// predictor does with it.
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/status.h"
#include "inference/tensor.h"
#include "inference/trees/ensemble.h"
#include "inference/trees/lightgbm_link.h"
#include "inference/trees/model.h"

namespace slipway::inference::trees {
namespace {

constexpr double kZero = static_cast<double>(1e-35F);  // its kZeroThreshold
constexpr size_t kMostKeys = 64;                       // of a section
constexpr size_t kMostWords = 256'000'000;             // of categories

enum MissingType : unsigned { kNone = 0, kZeroIsMissing = 1, kNanIsMissing = 2 };

// key=value lines; a line without '=' is a key.
class Section {
 public:
  base::Status Add(std::string_view line) {
    const size_t at = line.find('=');
    if (entries_.size() >= kMostKeys) return BadModel("too many lines in a section");
    entries_[line.substr(0, at)] =
        at == std::string_view::npos ? std::string_view() : line.substr(at + 1);
    return base::Status::Ok();
  }
  [[nodiscard]] bool Has(std::string_view key) const { return entries_.contains(key); }
  [[nodiscard]] std::string_view Text(std::string_view key) const {
    const auto found = entries_.find(key);
    return found == entries_.end() ? std::string_view() : found->second;
  }

  // `count` numbers.
  template <typename T>
  base::Result<std::vector<T>> Numbers(std::string_view key, size_t count) const {
    if (!Has(key)) return BadModel("\"" + std::string(key) + "\" is missing");
    std::string_view rest = Text(key);
    std::vector<T> numbers;
    while (!rest.empty()) {
      if (rest.front() == ' ') {
        rest.remove_prefix(1);
        continue;
      }
      if (numbers.size() == count) return Wrong(key, count);
      if (rest.front() == '+') rest.remove_prefix(1);
      T number{};
      const auto read = std::from_chars(rest.data(), rest.data() + rest.size(), number);
      if (read.ec != std::errc() || (read.ptr != rest.data() + rest.size() && *read.ptr != ' '))
        return Wrong(key, count);
      numbers.push_back(number);
      rest.remove_prefix(static_cast<size_t>(read.ptr - rest.data()));
    }
    if (numbers.size() != count) return Wrong(key, count);
    return numbers;
  }
  template <typename T>
  base::Result<T> Number(std::string_view key) const {
    return TRY(Numbers<T>(key, 1))[0];
  }

 private:
  static base::Status Wrong(std::string_view key, size_t count) {
    return BadModel("expected " + std::to_string(count) + " numbers in \"" + std::string(key) +
                    "\"");
  }

  std::unordered_map<std::string_view, std::string_view> entries_;
};

class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  base::Result<Model> Read(const ReadOptions& options) {
    Section header;
    while (!rest_.empty() && !rest_.starts_with("Tree=") && !rest_.starts_with("end of trees")) {
      const std::string_view line = Line();
      if (!line.empty()) TRY(header.Add(line));
    }
    TRY(ReadHeader(header));
    while (rest_.starts_with("Tree=")) {
      const std::string name(Line());
      auto status = ReadTree();
      if (!status.ok()) return std::move(status).Annotate(name);
      while (rest_.starts_with("\n") || rest_.starts_with("\r")) Line();
    }
    if (!rest_.starts_with("end of trees")) return BadModel("it ends before its trees do");
    if (ensemble_.trees.size() % ensemble_.targets != 0)
      return BadModel("its last iteration lacks trees");
    TRY(CheckEnsemble(ensemble_));
    return Describe(header, options);
  }

 private:
  std::string_view Line() {
    const size_t end = std::min(rest_.find('\n'), rest_.size());
    std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
  }

  base::Status ReadHeader(const Section& header) {
    if (!header.Has("tree")) return BadModel("not a LightGBM text model");
    const auto classes = TRY(header.Number<uint32_t>("num_class"));
    per_iteration_ = header.Has("num_tree_per_iteration")
                         ? TRY(header.Number<uint32_t>("num_tree_per_iteration"))
                         : classes;
    const auto last = TRY(header.Number<uint32_t>("max_feature_idx"));
    if (last >= kMostFeatures || per_iteration_ == 0 || per_iteration_ > kMostTargets)
      return BadModel("too many features or classes, or none");
    ensemble_.features = last + 1;
    ensemble_.targets = per_iteration_;
    ensemble_.double_sums = true;
    ensemble_.zero_epsilon = kZero;
    std::string_view names = header.Text("feature_names");
    while (!names.empty()) {
      const size_t end = std::min(names.find(' '), names.size());
      if (end > 0) ensemble_.names.emplace_back(names.substr(0, end));
      names.remove_prefix(std::min(end + 1, names.size()));
      if (ensemble_.names.size() > ensemble_.features) break;
    }
    if (ensemble_.names.size() != ensemble_.features)
      return BadModel("\"feature_names\" is not one name for each feature");
    average_ = header.Has("average_output");
    return base::Status::Ok();
  }

  base::Status ReadTree() {
    if (ensemble_.trees.size() >= kMostTrees) return BadModel("too many trees");
    Section section;
    while (!rest_.empty() && rest_.front() != '\n' && rest_.front() != '\r')
      TRY(section.Add(Line()));
    const auto leaves = TRY(section.Number<uint32_t>("num_leaves"));
    if (leaves == 0 || leaves > kMostNodes / 2) return BadModel("no leaf, or too many");
    if (section.Has("is_linear") && TRY(section.Number<int>("is_linear")) != 0)
      return BadModel("linear trees are not supported");
    const auto values = TRY(section.Numbers<double>("leaf_value", leaves));
    const auto target = static_cast<uint32_t>(ensemble_.trees.size() % per_iteration_);
    Tree tree;
    tree.nodes.resize(size_t{leaves} * 2 - 1);
    if (leaves > 1) TRY(ReadSplits(section, leaves - 1, tree));
    for (uint32_t leaf = 0; leaf < leaves; ++leaf) {
      Node& node = tree.nodes[leaves - 1 + leaf];
      node.begin = static_cast<uint32_t>(ensemble_.weights.size());
      node.count = 1;
      ensemble_.weights.push_back({target, values[leaf]});
    }
    ensemble_.trees.push_back(std::move(tree));
    return base::Status::Ok();
  }

  // A child is a split (0 and more) or, as its complement, a leaf; leaves lie behind the splits
  // here.
  static base::Result<uint32_t> Child(int64_t child, uint32_t splits) {
    const int64_t place = child >= 0 ? child : int64_t{splits} + ~child;
    if ((child >= 0 && child >= splits) || place > 2 * int64_t{splits})
      return BadModel("a child is out of range");
    return static_cast<uint32_t>(place);
  }

  base::Status ReadSplits(const Section& section, uint32_t splits, Tree& tree) {
    const auto features = TRY(section.Numbers<uint32_t>("split_feature", splits));
    const auto thresholds = TRY(section.Numbers<double>("threshold", splits));
    const auto left = TRY(section.Numbers<int64_t>("left_child", splits));
    const auto right = TRY(section.Numbers<int64_t>("right_child", splits));
    std::vector<int> types(splits, 0);
    if (section.Has("decision_type")) types = TRY(section.Numbers<int>("decision_type", splits));
    std::vector<uint32_t> ends;
    const auto categories = TRY(section.Number<uint32_t>("num_cat"));
    if (categories > splits) return BadModel("more categorical tests than tests");
    if (categories > 0) {
      ends = TRY(section.Numbers<uint32_t>("cat_boundaries", size_t{categories} + 1));
      if (ends.back() > kMostWords) return BadModel("too many categories");
      const auto words = TRY(section.Numbers<uint32_t>("cat_threshold", ends.back()));
      if (ensemble_.categories.size() + words.size() > kMostWords)
        return BadModel("too many categories");
      word_base_ = static_cast<uint32_t>(ensemble_.categories.size());
      ensemble_.categories.insert(ensemble_.categories.end(), words.begin(), words.end());
    }
    for (uint32_t i = 0; i < splits; ++i) {
      Node& node = tree.nodes[i];
      node.feature = features[i];
      node.threshold = thresholds[i];
      node.left = TRY(Child(left[i], splits));
      node.right = TRY(Child(right[i], splits));
      const auto type = static_cast<unsigned>(types[i]);
      if ((type & 1U) != 0) {
        TRY(SetCategories(ends, node));
      } else {
        TRY(SetMissing(type, node));
      }
    }
    return base::Status::Ok();
  }

  base::Status SetCategories(const std::vector<uint32_t>& ends, Node& node) const {
    node.test = Test::kLightgbmCategory;
    const double place = node.threshold;
    if (!(place >= 0 && place + 1 < static_cast<double>(ends.size())))
      return BadModel("a categorical test is out of range");
    const auto index = static_cast<size_t>(place);
    if (ends[index + 1] < ends[index] || ends[index + 1] > ends.back())
      return BadModel("\"cat_boundaries\" do not rise");
    node.begin = word_base_ + ends[index];
    node.count = ends[index + 1] - ends[index];
    return base::Status::Ok();
  }

  static base::Status SetMissing(unsigned type, Node& node) {
    node.test = Test::kLessEqual;
    const Side side = (type & 2U) != 0 ? Side::kLeft : Side::kRight;
    switch (type >> 2 & 3U) {
      case kNone:
        node.nan = Side::kAsZero;
        break;
      case kZeroIsMissing:  // NaN counts as zero, and zero as missing
        node.nan = node.zero = side;
        break;
      case kNanIsMissing:
        node.nan = side;
        break;
      default:
        return BadModel("unknown missing type");
    }
    return base::Status::Ok();
  }

  base::Result<Model> Describe(const Section& header, const ReadOptions& options) {
    Model model;
    model.platform = "lightgbm";
    // Its thresholds are doubles, so FP64 is what decides as the library does for a data frame;
    // FP32 is exact too.
    model.input = {"input", DataType::kFp64, {-1, static_cast<int64_t>(ensemble_.features)}};
    model.input.also = {DataType::kFp32};
    LightgbmLink link;
    if (header.Has("objective")) link = TRY(LightgbmLinkOf(header.Text("objective")));
    if (options.output == "margin") link.kind = LightgbmLink::kIdentity;
    if (!options.output.empty() && options.output != "margin") {
      return base::InvalidArgument("parameters.output",
                                   "expected margin, got \"" + options.output + "\"", "bad_model");
    }
    if (link.kind == LightgbmLink::kSoftmax && ensemble_.targets < 2)
      return BadModel("a multiclass model of one class");
    if (average_) link.iterations = static_cast<double>(ensemble_.trees.size() / per_iteration_);
    model.outputs.push_back({"predictions", DataType::kFp64, {-1}});
    if (ensemble_.targets > 1) model.outputs[0].shape.push_back(ensemble_.targets);
    model.finish = [link](const Sums& sums) {
      return std::vector<NamedTensor>{FinishLightgbm(link, sums)};
    };
    model.ensemble = std::move(ensemble_);
    return model;
  }

  std::string_view rest_;
  Ensemble ensemble_;
  uint32_t per_iteration_ = 1;
  uint32_t word_base_ = 0;
  bool average_ = false;
};

}  // namespace

base::Result<Model> ReadLightgbm(std::string_view text, const ReadOptions& options) {
  return Reader(text).Read(options);
}

}  // namespace slipway::inference::trees
