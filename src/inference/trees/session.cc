// SPDX-License-Identifier: Apache-2.0
// A prediction, the run itself, for tree models: tensors in, tensors out.
#include "inference/trees/session.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "inference/request_check.h"
#include "inference/runtime.h"
#include "inference/tensor.h"
#include "inference/trees/evaluate.h"
#include "inference/trees/forest.h"
#include "inference/trees/model.h"

namespace slipway::inference::trees {
namespace {

constexpr size_t kFewSums = 64;  // kept on the stack

template <typename T, typename A>
int64_t BytesOf(const Forest<T, A>& forest) {
  const auto bytes = [](const auto& list) {
    return static_cast<int64_t>(list.capacity() * sizeof(list[0]));
  };
  return bytes(forest.slots) + bytes(forest.narrow) + bytes(forest.wide) + bytes(forest.roots) +
         bytes(forest.depths) + bytes(forest.special_of) + bytes(forest.specials) +
         bytes(forest.categories) + bytes(forest.target_of) + bytes(forest.values) +
         bytes(forest.lists) + bytes(forest.weights) + bytes(forest.words_of) +
         bytes(forest.tests_of) + bytes(forest.tests) + bytes(forest.word_values) +
         bytes(forest.twigs) + bytes(forest.twig_trees) + bytes(forest.twig_runs) +
         bytes(forest.twig_values);
}

class TreesSession final : public Session {
 public:
  TreesSession(Model model, Simd simd)
      : outputs_(std::move(model.outputs)), finish_(std::move(model.finish)) {
    description_.inputs.push_back(std::move(model.input));
    description_.inputs[0].columns = model.ensemble.names;
    description_.outputs = outputs_;
    description_.batchable = true;
    description_.platform = "slipway_trees_" + model.platform;
    const Ensemble& ensemble = model.ensemble;
    prepare_ = ensemble.prepare;
    if (!ensemble.double_sums) {
      single_ = Compile<float, float>(ensemble, simd);
      ChooseBlocks(*single_);
    } else {
      if (Takes(DataType::kFp32)) mixed_ = Compile<float, double>(ensemble, simd);
      if (Takes(DataType::kFp64)) double_ = Compile<double, double>(ensemble, simd);
      if (mixed_) ChooseBlocks(*mixed_);
      if (double_) ChooseBlocks(*double_);
    }
  }

  [[nodiscard]] const ModelDescription& description() const override { return description_; }

  base::Result<Response> Run(const Request& request) override {
    TRY(CheckRequest(description_, request));
    const Tensor& input = request.inputs[0].tensor;
    std::vector<NamedTensor> outputs = single_ ? RunSingle(input) : RunDouble(input);
    Response response;
    if (request.outputs.empty()) {
      response.outputs = std::move(outputs);
      return response;
    }
    for (const std::string& name : request.outputs) {
      response.outputs.push_back(*std::ranges::find(outputs, name, &NamedTensor::name));
    }
    return response;
  }

  [[nodiscard]] int64_t memory_bytes() const override {
    return (single_ ? BytesOf(*single_) : 0) + (mixed_ ? BytesOf(*mixed_) : 0) +
           (double_ ? BytesOf(*double_) : 0);
  }

 private:
  [[nodiscard]] bool Takes(DataType type) const {
    const TensorSpec& spec = description_.inputs[0];
    return spec.type == type || std::ranges::find(spec.also, type) != spec.also.end();
  }

  std::vector<NamedTensor> RunSingle(const Tensor& input) const {
    switch (input.type()) {
      case DataType::kFp64:
        return RunOn<double>(*single_, input);
      case DataType::kInt64:
        return RunOn<int64_t>(*single_, input);
      case DataType::kInt32:
        return RunOn<int32_t>(*single_, input);
      default:
        return RunOn<float>(*single_, input);
    }
  }
  std::vector<NamedTensor> RunDouble(const Tensor& input) const {
    if (input.type() == DataType::kFp32) return RunOn<float>(*mixed_, input);
    return RunOn<double>(*double_, input);
  }

  template <typename In, typename T, typename A>
  std::vector<NamedTensor> RunOn(const Forest<T, A>& forest, const Tensor& input) const {
    const auto rows = static_cast<size_t>(input.rows());
    const auto* values = reinterpret_cast<const In*>(input.bytes().data());
    std::vector<In> aligned;  // a borrowed body may lie anywhere
    if (reinterpret_cast<uintptr_t>(values) % alignof(In) != 0) {
      aligned.resize(rows * forest.features);
      std::memcpy(aligned.data(), input.bytes().data(), input.bytes().size());
      values = aligned.data();
    }
    if constexpr (sizeof(T) == sizeof(float)) {
      if (!prepare_.offset.empty()) return Finish(forest, Prepared(values, rows).data(), rows);
    }
    return Finish(forest, values, rows);
  }

  template <typename In>
  std::vector<float> Prepared(const In* values, size_t rows) const {
    const size_t width = prepare_.offset.size();
    std::vector<float> prepared(rows * width);
    for (size_t i = 0; i < prepared.size(); ++i)
      prepared[i] =
          (static_cast<float>(values[i]) - prepare_.offset[i % width]) * prepare_.scale[i % width];
    return prepared;
  }

  template <typename In, typename T, typename A>
  std::vector<NamedTensor> Finish(const Forest<T, A>& forest, const In* values, size_t rows) const {
    const size_t count = rows * forest.targets;
    std::array<A, kFewSums> few;
    std::unique_ptr<A[]> many;
    if (count > few.size()) many = std::make_unique_for_overwrite<A[]>(count);
    A* sums = many ? many.get() : few.data();
    std::vector<uint8_t> seen(forest.plain ? 0 : count);
    Evaluate(forest, values, rows, sums, forest.plain ? nullptr : seen.data());
    Sums result{rows, forest.targets, nullptr, nullptr, forest.plain ? nullptr : seen.data()};
    if constexpr (sizeof(A) == sizeof(float)) {
      result.singles = sums;
    } else {
      result.doubles = sums;
    }
    return finish_(result);
  }

  ModelDescription description_;
  std::vector<TensorSpec> outputs_;
  decltype(Model::finish) finish_;
  Prepare prepare_;
  std::optional<Forest<float, float>> single_;
  std::optional<Forest<float, double>> mixed_;
  std::optional<Forest<double, double>> double_;
};

}  // namespace

std::unique_ptr<Session> MakeSession(Model model, Simd simd) {
  return std::make_unique<TreesSession>(std::move(model), simd);
}

}  // namespace slipway::inference::trees
