// SPDX-License-Identifier: Apache-2.0
// A prediction, read as classes or as a number.
#include "inference/class_scores.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "inference/model_config.h"
#include "inference/tensor.h"

namespace slipway::inference {
namespace {

bool IsFloating(const Tensor& tensor) {
  return tensor.type() == DataType::kFp32 || tensor.type() == DataType::kFp64 ||
         tensor.type() == DataType::kFp16 || tensor.type() == DataType::kBf16;
}

bool IsNumberARow(const NamedTensor& output) {
  const Shape& shape = output.tensor.shape();
  return IsFloating(output.tensor) && (shape.size() == 1 || (shape.size() == 2 && shape[1] == 1));
}

}  // namespace

base::Result<ClassScores> ClassScores::Find(const std::vector<NamedTensor>& outputs,
                                            const ModelConfig& config) {
  const auto scores = std::ranges::find_if(outputs, [](const NamedTensor& output) {
    return IsFloating(output.tensor) && output.tensor.shape().size() == 2;
  });
  if (scores == outputs.end()) {
    return base::InvalidArgument(
        "signature_name", "the model gives no scores of classes [rows, classes]", "no_classifier");
  }
  ClassScores found;
  found.scores_ = &*scores;
  const auto names = std::ranges::find_if(outputs, [&](const NamedTensor& output) {
    return output.tensor.type() == DataType::kString &&
           output.tensor.shape() == scores->tensor.shape();
  });
  if (names != outputs.end()) found.names_ = &names->tensor;
  const auto configured = config.labels.find(scores->name);
  if (configured != config.labels.end()) found.configured_ = &configured->second;
  return found;
}

std::string ClassScores::Label(int64_t row, int64_t column) const {
  const auto place = static_cast<size_t>(column);
  if (names_ != nullptr) return names_->strings()[static_cast<size_t>(IndexOf(row, column))];
  if (scores_->labels && column < scores_->labels->element_count()) {
    return scores_->labels->type() == DataType::kString
               ? scores_->labels->strings()[place]
               : std::to_string(static_cast<int64_t>(scores_->labels->NumberAt(column)));
  }
  if (configured_ != nullptr && place < configured_->size()) return (*configured_)[place];
  return std::to_string(column);
}

base::Result<const Tensor*> FindRegression(const std::vector<NamedTensor>& outputs) {
  const auto value = std::ranges::find_if(outputs, IsNumberARow);
  if (value == outputs.end() || std::ranges::count_if(outputs, IsNumberARow) != 1) {
    return base::InvalidArgument(
        "signature_name", "the model has not one output of one number a row: ask for predict",
        "no_regressor");
  }
  return &value->tensor;
}

}  // namespace slipway::inference
