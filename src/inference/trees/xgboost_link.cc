// SPDX-License-Identifier: Apache-2.0
// A prediction, after the run: from sums to what XGBoost would have answered. The operations and
// their order are those of src/objective in XGBoost 3.2, so that the bits are the same.
#include "inference/trees/xgboost_link.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "inference/tensor.h"
#include "inference/trees/ensemble.h"
#include "inference/trees/model.h"

namespace slipway::inference::trees {
namespace {

struct Objective {
  const char* name;
  Link link;
};
constexpr Objective kObjectives[] = {
    {"reg:squarederror", Link::kIdentity},    {"reg:linear", Link::kIdentity},
    {"reg:squaredlogerror", Link::kIdentity}, {"reg:pseudohubererror", Link::kIdentity},
    {"reg:absoluteerror", Link::kIdentity},   {"reg:quantileerror", Link::kIdentity},
    {"reg:logistic", Link::kLogistic},        {"binary:logistic", Link::kLogistic},
    {"binary:logitraw", Link::kLogisticRaw},  {"binary:hinge", Link::kHinge},
    {"count:poisson", Link::kExponential},    {"reg:gamma", Link::kExponential},
    {"reg:tweedie", Link::kExponential},      {"survival:cox", Link::kExponential},
    {"survival:aft", Link::kWideExponential}, {"multi:softmax", Link::kSoftmax},
    {"multi:softprob", Link::kSoftprob},      {"rank:pairwise", Link::kIdentity},
    {"rank:ndcg", Link::kIdentity},           {"rank:map", Link::kIdentity},
};

float Sigmoid(float margin) {
  constexpr float kTiny = 1e-16F;
  const float negated = std::min(-margin, 88.7F);
  const float denominator = std::exp(negated) + 1.0F + kTiny;
  return 1.0F / denominator;
}

// The first of the largest.
size_t Largest(const float* values, size_t count) {
  size_t best = 0;
  for (size_t i = 1; i < count; ++i) {
    if (values[i] > values[best]) best = i;
  }
  return best;
}

void Softmax(const float* margins, size_t count, float* out) {
  float most = margins[0];
  for (size_t i = 1; i < count; ++i) most = std::fmax(margins[i], most);
  double sum = 0;
  for (size_t i = 0; i < count; ++i) {
    out[i] = std::exp(margins[i] - most);
    sum += static_cast<double>(out[i]);
  }
  for (size_t i = 0; i < count; ++i) out[i] /= static_cast<float>(sum);
}

float Transformed(Answer answer, float margin) {
  switch (answer) {
    case Answer::kLogistic:
    case Answer::kLabelOfOne:
    case Answer::kLabelsOfSeveral:
      return Sigmoid(margin);
    case Answer::kExponential:
      return std::exp(margin);
    case Answer::kWideExponential:
      return static_cast<float>(std::exp(static_cast<double>(margin)));
    case Answer::kHinge:
      return margin > 0 ? 1.0F : 0.0F;
    default:
      return margin;
  }
}

bool OnePerRow(Answer answer) {
  return answer == Answer::kArgmaxFloat || answer == Answer::kLabelOfOne ||
         answer == Answer::kLabelOfHinge || answer == Answer::kArgmaxOfProbabilities ||
         answer == Answer::kArgmaxInt;
}

// The place of the largest, of the margins or, where two margins may have one probability, of the
// probabilities.
size_t Chosen(Answer answer, const float* margins, size_t count, std::vector<float>& scratch) {
  if (answer != Answer::kArgmaxOfProbabilities) return Largest(margins, count);
  scratch.resize(count);
  Softmax(margins, count, scratch.data());
  return Largest(scratch.data(), count);
}

template <typename Out>
void FillLabels(Answer answer, const Sums& sums, Tensor& tensor) {
  auto* out = reinterpret_cast<Out*>(tensor.mutable_bytes().data());
  std::vector<float> scratch;
  for (size_t row = 0; row < sums.rows; ++row) {
    const float* margins = sums.singles + row * sums.targets;
    if (answer == Answer::kLabelOfOne) {
      out[row] = Sigmoid(margins[0]) > 0.5F ? Out{1} : Out{0};
    } else if (answer == Answer::kLabelOfHinge) {
      out[row] = margins[0] > 0 ? Out{1} : Out{0};
    } else {
      out[row] = static_cast<Out>(Chosen(answer, margins, sums.targets, scratch));
    }
  }
}

void FillNumbers(Answer answer, const Sums& sums, Tensor& tensor) {
  const size_t count = sums.rows * sums.targets;
  if (answer == Answer::kLabelsOfSeveral) {
    auto* out = reinterpret_cast<double*>(tensor.mutable_bytes().data());
    for (size_t i = 0; i < count; ++i) out[i] = Sigmoid(sums.singles[i]) > 0.5F ? 1 : 0;
    return;
  }
  auto* out = reinterpret_cast<float*>(tensor.mutable_bytes().data());
  if (answer == Answer::kProbabilities) {
    for (size_t row = 0; row < sums.rows; ++row)
      Softmax(sums.singles + row * sums.targets, sums.targets, out + row * sums.targets);
    return;
  }
  for (size_t i = 0; i < count; ++i) out[i] = Transformed(answer, sums.singles[i]);
}

}  // namespace

base::Result<Link> LinkOf(const std::string& objective) {
  for (const Objective& one : kObjectives) {
    if (objective == one.name) return one.link;
  }
  return BadModel("objective \"" + objective + "\" is not supported");
}

float MarginOf(Link link, float base_score) {
  if (link == Link::kExponential || link == Link::kWideExponential) return std::log(base_score);
  if (link != Link::kLogistic) return base_score;
  constexpr float kEdge = 1e-6F;
  const float bounded = std::min(std::max(base_score, kEdge), 1.0F - kEdge);
  return -std::log(1.0F / bounded - 1.0F);
}

base::Result<Answer> AnswerOf(Link link, const std::string& output, bool classifier,
                              uint32_t targets) {
  if (!output.empty() && output != "label" && output != "probability" && output != "margin") {
    return base::InvalidArgument("parameters.output",
                                 "expected label, probability or margin, got \"" + output + "\"",
                                 "bad_model");
  }
  struct Row {
    Link link;
    Answer value;  // what a Booster predicts
    Answer label, probability;
  };
  // kMargin: there is none.
  const Row rows[] = {
      {Link::kIdentity, Answer::kMargin, Answer::kMargin, Answer::kMargin},
      {Link::kLogisticRaw, Answer::kMargin, Answer::kMargin, Answer::kMargin},
      {Link::kExponential, Answer::kExponential, Answer::kMargin, Answer::kMargin},
      {Link::kWideExponential, Answer::kWideExponential, Answer::kMargin, Answer::kMargin},
      {Link::kLogistic, Answer::kLogistic,
       targets == 1 ? Answer::kLabelOfOne : Answer::kLabelsOfSeveral, Answer::kLogistic},
      {Link::kHinge, Answer::kHinge, Answer::kLabelOfHinge, Answer::kMargin},
      {Link::kSoftmax, Answer::kArgmaxFloat, Answer::kArgmaxInt, Answer::kProbabilities},
      {Link::kSoftprob, Answer::kProbabilities, Answer::kArgmaxOfProbabilities,
       Answer::kProbabilities},
  };
  const Row& row = *std::ranges::find(rows, link, &Row::link);
  if (output == "margin") return Answer::kMargin;
  const Answer asked = output == "probability" ? row.probability : row.label;
  if (output.empty()) return classifier && row.label != Answer::kMargin ? row.label : row.value;
  if (asked != Answer::kMargin) return asked;
  return base::InvalidArgument("parameters.output", "this model's objective has no " + output,
                               "bad_model");
}

TensorSpec AnswerSpec(Answer answer, uint32_t targets) {
  TensorSpec spec{"predictions", DataType::kFp32, {-1}};
  if (targets > 1 && !OnePerRow(answer)) spec.shape.push_back(targets);
  if (answer == Answer::kLabelsOfSeveral) spec.type = DataType::kFp64;
  if (answer == Answer::kArgmaxInt) spec.type = DataType::kInt32;
  if (answer == Answer::kLabelOfOne || answer == Answer::kLabelOfHinge ||
      answer == Answer::kArgmaxOfProbabilities)
    spec.type = DataType::kInt64;
  return spec;
}

NamedTensor FinishXgboost(Answer answer, const Sums& sums) {
  TensorSpec spec = AnswerSpec(answer, static_cast<uint32_t>(sums.targets));
  spec.shape[0] = static_cast<int64_t>(sums.rows);
  Tensor tensor(spec.type, spec.shape);
  if (sums.rows > 0) {
    if (!OnePerRow(answer)) {
      FillNumbers(answer, sums, tensor);
    } else if (spec.type == DataType::kInt64) {
      FillLabels<int64_t>(answer, sums, tensor);
    } else if (spec.type == DataType::kInt32) {
      FillLabels<int32_t>(answer, sums, tensor);
    } else {
      FillLabels<float>(answer, sums, tensor);
    }
  }
  return {spec.name, std::move(tensor), nullptr};
}

}  // namespace slipway::inference::trees
