// SPDX-License-Identifier: Apache-2.0
// What of a model's outputs a caller means who asks for classes or for one number: the outputs have
// names of their own, and such callers name none. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "inference/model_config.h"
#include "inference/tensor.h"

namespace slipway::inference {

// Lives as long as the outputs and the configuration that it was found in.
class ClassScores {
 public:
  // The first output [rows, classes] of floating numbers. kInvalidArgument (reason "no_classifier")
  // when there is none.
  static base::Result<ClassScores> Find(const std::vector<NamedTensor>& outputs,
                                        const ModelConfig& config);
  [[nodiscard]] int64_t rows() const { return scores_->tensor.rows(); }
  [[nodiscard]] int64_t classes() const { return scores_->tensor.shape()[1]; }
  [[nodiscard]] const Tensor& tensor() const { return scores_->tensor; }
  [[nodiscard]] int64_t IndexOf(int64_t row, int64_t column) const {
    return row * classes() + column;
  }
  // The name of class `column` of row `row`: of an equally shaped BYTES output, else the labels
  // that the model gives, else the configuration's, else the column's number.
  [[nodiscard]] std::string Label(int64_t row, int64_t column) const;

 private:
  const NamedTensor* scores_ = nullptr;
  const Tensor* names_ = nullptr;
  const std::vector<std::string>* configured_ = nullptr;
};

// The only output of one floating number a row, [rows] or [rows, 1]. kInvalidArgument (reason
// "no_regressor") when there is not exactly one.
base::Result<const Tensor*> FindRegression(const std::vector<NamedTensor>& outputs);

}  // namespace slipway::inference
