// SPDX-License-Identifier: Apache-2.0
// Loading a version: an ONNX graph that is a tree ensemble and what exporters (skl2onnx,
// onnxmltools) put around one: in front of it Identity, Cast and Scaler; behind it Identity, Cast,
// a product with one, ZipMap. Anything else is left to ONNX Runtime.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "inference/tensor.h"
#include "inference/trees/ensemble.h"
#include "inference/trees/model.h"
#include "inference/trees/onnx_ensemble.h"
#include "inference/trees/onnx_proto.h"

namespace slipway::inference::trees {
namespace {

base::Result<DataType> TypeOf(int64_t type) {
  switch (type) {
    case kOnnxFloat:
      return DataType::kFp32;
    case kOnnxDouble:
      return DataType::kFp64;
    case kOnnxInt64:
      return DataType::kInt64;
    case kOnnxInt32:
      return DataType::kInt32;
    case kOnnxString:
      return DataType::kString;
    default:
      return NotTrees("a tensor of another type");
  }
}

const OnnxAttribute* Find(const OnnxNode& node, std::string_view name) {
  const auto found = std::ranges::find(node.attributes, name, &OnnxAttribute::name);
  return found == node.attributes.end() ? nullptr : &*found;
}

bool IsTrees(const OnnxNode& node) {
  return node.domain == "ai.onnx.ml" &&
         (node.op == "TreeEnsembleRegressor" || node.op == "TreeEnsembleClassifier");
}

// One output of the graph.
struct Output {
  bool label = false;
  bool zip_map = false;
  std::string name;
};

class Reader {
 public:
  explicit Reader(const OnnxGraph& graph) : graph_(graph) {}

  base::Result<Model> Read() {
    const auto trees = std::ranges::find_if(graph_.nodes, IsTrees);
    if (trees == graph_.nodes.end()) return NotTrees("no tree operator that is known here");
    if (std::ranges::count_if(graph_.nodes, IsTrees) != 1)
      return NotTrees("more than one tree operator");
    if (trees->inputs.size() != 1 || trees->outputs.empty())
      return BadModel("a tree operator of another form");
    used_ = 1;
    TRY(ReadInput(trees->inputs[0]));
    OnnxTrees read = TRY(ReadOnnxTrees(*trees, type_ == DataType::kFp64));
    read.ensemble.features = features_;
    read.ensemble.prepare = std::move(prepare_);
    TRY(CheckEnsemble(read.ensemble));
    for (const OnnxValue& value : graph_.outputs)
      outputs_.push_back(TRY(ReadOutput(value, *trees)));
    if (used_ != graph_.nodes.size()) return NotTrees("its graph does more");
    return Describe(std::move(read));
  }

 private:
  [[nodiscard]] const OnnxNode* MakerOf(std::string_view tensor) const {
    for (const OnnxNode& node : graph_.nodes) {
      if (std::ranges::find(node.outputs, tensor) != node.outputs.end()) return &node;
    }
    return nullptr;
  }
  [[nodiscard]] const OnnxTensor* Initializer(std::string_view name) const {
    const auto found = std::ranges::find(graph_.initializers, name, &OnnxTensor::name);
    return found == graph_.initializers.end() ? nullptr : &*found;
  }

  // The graph's input, and what happens to it on the way to `tensor`.
  base::Status ReadInput(std::string_view tensor) {
    std::vector<const OnnxNode*> chain;
    while (const OnnxNode* node = MakerOf(tensor)) {
      if (chain.size() >= graph_.nodes.size() || node->inputs.size() != 1)
        return NotTrees("its input is computed");
      chain.push_back(node);
      tensor = node->inputs[0];
    }
    if (graph_.inputs.size() != 1 || graph_.inputs[0].name != tensor)
      return NotTrees("more than one input");
    const OnnxValue& value = graph_.inputs[0];
    if (!value.tensor || value.shape.size() != 2 || value.shape[0] >= 0 || value.shape[1] <= 0 ||
        value.shape[1] > kMostFeatures)
      return NotTrees("its input is not [any, features]");
    features_ = static_cast<uint32_t>(value.shape[1]);
    input_ = {std::string(value.name), TRY(TypeOf(value.type)), {-1, value.shape[1]}};
    type_ = input_.type;
    if (type_ == DataType::kString) return NotTrees("its input is strings");
    std::ranges::reverse(chain);
    for (const OnnxNode* node : chain) TRY(Through(*node));
    used_ += chain.size();
    return base::Status::Ok();
  }

  // A Scaler works in float; a Cast that the evaluator does not do by itself is left alone.
  base::Status Through(const OnnxNode& node) {
    if (node.op == "Identity") return base::Status::Ok();
    if (node.op == "Cast" && Find(node, "to") != nullptr) return Cast(Find(node, "to")->i);
    if (node.op != "Scaler" || type_ != DataType::kFp32 || !prepare_.offset.empty())
      return NotTrees("its input is computed");
    const OnnxAttribute *offset = Find(node, "offset"), *scale = Find(node, "scale");
    if (offset == nullptr || scale == nullptr) return NotTrees("a Scaler without offset or scale");
    prepare_.offset = offset->floats;
    prepare_.scale = scale->floats;
    for (std::vector<float>* values : {&prepare_.offset, &prepare_.scale}) {
      if (values->size() == 1) values->resize(features_, values->front());
      if (values->size() != features_)
        return BadModel("a Scaler is not one number for each feature");
    }
    return base::Status::Ok();
  }

  base::Status Cast(int64_t type) {
    const DataType to = TRY(TypeOf(type));
    const bool known =
        type_ == DataType::kInt64 || type_ == DataType::kInt32 || type_ == DataType::kFp64;
    if (to != type_ && !(to == DataType::kFp32 && known && prepare_.offset.empty()))
      return NotTrees("a cast of its input");
    type_ = to;
    return base::Status::Ok();
  }

  base::Result<Output> ReadOutput(const OnnxValue& value, const OnnxNode& trees) {
    Output output;
    output.name = std::string(value.name);
    std::string_view tensor = value.name;
    for (size_t steps = 0;; ++steps) {
      const OnnxNode* node = MakerOf(tensor);
      if (node == nullptr || steps > graph_.nodes.size())
        return NotTrees("an output that is not computed");
      if (node == &trees) break;
      ++used_;
      if (node->op == "ZipMap" && steps == 0) {
        output.zip_map = true;
      } else if (node->op == "Cast" && Find(*node, "to") != nullptr) {
        casts_ = true;  // to the type that it has, which is seen below
        cast_to_ = Find(*node, "to")->i;
      } else if (node->op == "Mul" && node->inputs.size() == 2) {
        if (!IsOne(node->inputs[1])) return NotTrees("its output is computed");
      } else if (node->op != "Identity") {
        return NotTrees("its output is computed");
      }
      if (node->inputs.empty()) return BadModel("a node without inputs");
      tensor = node->inputs[0];
    }
    const bool classifier = trees.op == "TreeEnsembleClassifier";
    output.label = classifier && tensor == trees.outputs[0];
    TRY(CheckType(value, output));
    return output;
  }

  [[nodiscard]] bool IsOne(std::string_view name) const {
    const OnnxTensor* tensor = Initializer(name);
    return tensor != nullptr && !tensor->external && tensor->type == kOnnxFloat &&
           tensor->values.size() == 1 && tensor->values[0] == 1.0;
  }

  // A cast to another type than the operator's own changes the numbers: left alone.
  base::Status CheckType(const OnnxValue& value, const Output& output) {
    const bool cast = std::exchange(casts_, false);
    if (output.zip_map)
      return value.tensor || cast ? NotTrees("a ZipMap after a cast") : base::Status::Ok();
    if (!value.tensor || value.shape.size() > 2) return NotTrees("an output of another form");
    if (output.label) {
      if (value.type != kOnnxInt64 && value.type != kOnnxString)
        return NotTrees("a label of another type");
      if (cast && cast_to_ != value.type) return NotTrees("two casts");
      return base::Status::Ok();
    }
    if (cast && cast_to_ != kOnnxFloat) return NotTrees("scores of another type");
    return value.type == kOnnxFloat ? base::Status::Ok() : NotTrees("scores of another type");
  }

  base::Result<Model> Describe(OnnxTrees read) {
    Model model;
    model.platform = "onnx";
    model.input = std::move(input_);
    const auto width = static_cast<int64_t>(read.ensemble.targets);
    const bool text = !read.link.text_labels.empty();
    for (size_t i = 0; i < outputs_.size(); ++i) {
      const Output& output = outputs_[i];
      TensorSpec spec{output.name, DataType::kFp32, {-1, width}};
      if (output.label) spec = {output.name, text ? DataType::kString : DataType::kInt64, {-1}};
      if (output.zip_map) spec.shape = {-1, -1};
      if (output.label && graph_.outputs[i].type != (text ? kOnnxString : kOnnxInt64))
        return NotTrees("a label that is cast");
      model.outputs.push_back(std::move(spec));
    }
    const auto count = static_cast<int64_t>(read.link.int_labels.size());
    auto labels =
        std::make_shared<Tensor>(text ? Tensor::Strings({width}, read.link.text_labels)
                                      : Tensor::Of<int64_t>({count}, read.link.int_labels));
    model.finish = [link = std::move(read.link), outputs = std::move(outputs_),
                    labels](const Sums& sums) { return Finish(link, outputs, labels, sums); };
    model.ensemble = std::move(read.ensemble);
    return model;
  }

  static std::vector<NamedTensor> Finish(const OnnxLink& link, const std::vector<Output>& outputs,
                                         const std::shared_ptr<const Tensor>& labels,
                                         const Sums& sums) {
    OnnxAnswer answer = FinishOnnx(link, sums);
    const auto rows = static_cast<int64_t>(sums.rows);
    std::vector<NamedTensor> tensors;
    tensors.reserve(outputs.size());
    for (size_t i = 0; i < outputs.size(); ++i) {
      const Output& output = outputs[i];
      const bool again =
          std::any_of(outputs.begin() + static_cast<std::ptrdiff_t>(i) + 1, outputs.end(),
                      [&](const Output& other) { return other.label == output.label; });
      const auto take = [&](Tensor& tensor) { return again ? tensor : std::move(tensor); };
      if (!output.label) {
        tensors.push_back({output.name, take(answer.scores), output.zip_map ? labels : nullptr});
      } else if (link.text_labels.empty()) {
        tensors.push_back({output.name, take(answer.classes), nullptr});
      } else {
        std::vector<std::string> names;
        for (const int64_t place : answer.classes.As<int64_t>())
          names.push_back(link.text_labels[static_cast<size_t>(place)]);
        tensors.push_back({output.name, Tensor::Strings({rows}, std::move(names)), nullptr});
      }
    }
    return tensors;
  }

  const OnnxGraph& graph_;
  size_t used_ = 0;  // nodes of the graph that are understood
  uint32_t features_ = 0;
  TensorSpec input_;
  DataType type_ = DataType::kFp32;  // of what the tree operator takes
  Prepare prepare_;
  std::vector<Output> outputs_;
  bool casts_ = false;
  int64_t cast_to_ = 0;
};

}  // namespace

base::Result<Model> ReadOnnx(std::string_view bytes) {
  const OnnxGraph graph = TRY(ParseOnnx(bytes));
  return Reader(graph).Read();
}

}  // namespace slipway::inference::trees
