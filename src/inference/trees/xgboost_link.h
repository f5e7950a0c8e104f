// SPDX-License-Identifier: Apache-2.0
// What XGBoost's objectives make of the trees' sums, in the same float operations. Pure functions.
#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"
#include "inference/tensor.h"
#include "inference/trees/model.h"

namespace slipway::inference::trees {

enum class Link : uint8_t {
  kIdentity,
  kLogistic,
  kLogisticRaw,
  kExponential,
  kWideExponential,  // computed in double: survival:aft
  kHinge,
  kSoftmax,
  kSoftprob
};

base::Result<Link> LinkOf(const std::string& objective);
// base_score is kept as the objective's prediction: the margin that gives it.
float MarginOf(Link link, float base_score);

// What `predictions` holds.
enum class Answer : uint8_t {
  kMargin,    // FP32 [N] or [N, K]
  kLogistic,  // FP32, as are the next four
  kExponential,
  kWideExponential,
  kHinge,
  kProbabilities,          // [N, K]
  kArgmaxFloat,            // FP32 [N]: Booster.predict of multi:softmax
  kLabelOfOne,             // INT64 [N]: 1 where the value is above 0.5: XGBClassifier.predict
  kLabelOfHinge,           // the same for binary:hinge
  kLabelsOfSeveral,        // FP64 [N, K]: the same for each of several outputs
  kArgmaxOfProbabilities,  // INT64 [N]
  kArgmaxInt,              // INT32 [N]: XGBClassifier.predict of multi:softmax
};
// `output` as ReadOptions has it; `classifier`: the file was saved by XGBClassifier.
base::Result<Answer> AnswerOf(Link link, const std::string& output, bool classifier,
                              uint32_t targets);
TensorSpec AnswerSpec(Answer answer, uint32_t targets);
NamedTensor FinishXgboost(Answer answer, const Sums& sums);

}  // namespace slipway::inference::trees
