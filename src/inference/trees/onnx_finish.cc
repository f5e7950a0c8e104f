// SPDX-License-Identifier: Apache-2.0
// A prediction, after the run: from sums to what ONNX Runtime's tree operators would have answered:
// the operations, their order and their types are those of its tree_ensemble_aggregator.h and
// ml_common.h.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numbers>
#include <vector>

#include "inference/tensor.h"
#include "inference/trees/model.h"
#include "inference/trees/onnx_ensemble.h"

namespace slipway::inference::trees {
namespace {

float Logistic(float value) {
  const float v = 1.0F / (1.0F + std::exp(-std::abs(value)));
  return value < 0 ? 1.0F - v : v;
}

float Probit(float probability) {
  float x = 2 * probability - 1;
  const float sign = x < 0 ? -1.0F : 1.0F;
  x = (1 - x) * (1 + x);
  const float log = std::log(x);
  const float v = 2 / (static_cast<float>(std::numbers::pi) * 0.147F) + 0.5F * log;
  const float v2 = 1 / 0.147F * log;
  const float v3 = -v + std::sqrt(v * v - v2);
  return static_cast<float>(std::numbers::sqrt2) * (sign * std::sqrt(v3));
}

float Most(const std::vector<float>& scores) {
  float most = -std::numeric_limits<float>::max();
  for (const float score : scores) {
    if (score > most) most = score;
  }
  return most;
}

void Softmax(std::vector<float>& scores) {
  const float most = Most(scores);
  float sum = 0;
  for (float& score : scores) {
    score = std::exp(score - most);
    sum += score;
  }
  for (float& score : scores) score /= sum;
}

// Zeros stay small: they mean "no score".
void SoftmaxZero(std::vector<float>& scores) {
  const float most = Most(scores);
  const float shrink = std::exp(-most);
  float sum = 0;
  for (float& score : scores) {
    if (score > 0.0000001F || score < -0.0000001F) {
      score = std::exp(score - most);
      sum += score;
    } else {
      score *= shrink;
    }
  }
  for (float& score : scores) score /= sum;
}

void Transform(PostTransform transform, std::vector<float>& scores) {
  switch (transform) {
    case PostTransform::kProbit:
      for (float& score : scores) score = Probit(score);
      break;
    case PostTransform::kLogistic:
      for (float& score : scores) score = Logistic(score);
      break;
    case PostTransform::kSoftmax:
      Softmax(scores);
      break;
    case PostTransform::kSoftmaxZero:
      SoftmaxZero(scores);
      break;
    case PostTransform::kNone:
      break;
  }
}

// What becomes of the one score of a binary classifier.
enum class Second : uint8_t { kNone, kComplement, kNegated };

void Write(PostTransform transform, Second second, std::vector<float>& scores, float* out) {
  if (scores.size() >= 2) {
    Transform(transform, scores);
  } else if (transform == PostTransform::kProbit) {
    scores[0] = Probit(scores[0]);
  } else if (second != Second::kNone && transform == PostTransform::kLogistic) {
    scores = {Logistic(-scores[0]), Logistic(scores[0])};
  } else if (second == Second::kComplement) {
    scores = {1 - scores[0], scores[0]};
  } else if (second == Second::kNegated) {
    scores = {-scores[0], scores[0]};
  }
  std::ranges::copy(scores, out);
}

template <typename A>
class Finisher {
 public:
  Finisher(const OnnxLink& link, const Sums& sums, const A* values)
      : link_(link), sums_(sums), values_(values) {
    for (const double base : link.base) base_.push_back(static_cast<A>(base));
  }

  OnnxAnswer Run() {
    OnnxAnswer answer;
    const auto rows = static_cast<int64_t>(sums_.rows);
    answer.scores = Tensor(DataType::kFp32, {rows, static_cast<int64_t>(sums_.targets)});
    if (link_.classifier) answer.classes = Tensor(DataType::kInt64, {rows});
    auto* scores = reinterpret_cast<float*>(answer.scores.mutable_bytes().data());
    auto* classes = reinterpret_cast<int64_t*>(answer.classes.mutable_bytes().data());
    if (!link_.classifier && sums_.targets == 1) {
      for (size_t row = 0; row < sums_.rows; ++row) scores[row] = One(values_[row]);
      return answer;
    }
    for (size_t row = 0; row < sums_.rows; ++row) {
      float* out = scores + row * sums_.targets;
      scores_.assign(values_ + row * sums_.targets, values_ + (row + 1) * sums_.targets);
      has_ = link_.always;
      if (sums_.seen != nullptr)
        has_.assign(sums_.seen + row * sums_.targets, sums_.seen + (row + 1) * sums_.targets);
      if (link_.classifier) {
        classes[row] = sums_.targets > 2 ? Several(out) : Two(out);
      } else {
        Regression(out);
      }
    }
    return answer;
  }

 private:
  [[nodiscard]] float One(A score) const {
    const A origin = base_.size() == 1 ? base_[0] : A{0};
    if (link_.trees > 0) score /= static_cast<A>(link_.trees);
    score += origin;
    return link_.transform == PostTransform::kProbit ? Probit(static_cast<float>(score))
                                                     : static_cast<float>(score);
  }

  void Regression(float* out) {
    const bool base = base_.size() == scores_.size();
    for (size_t i = 0; i < scores_.size(); ++i) {
      if (link_.trees > 0) scores_[i] /= static_cast<A>(link_.trees);
      if (base) scores_[i] += base_[i];
    }
    WriteSeen(Second::kNone, out);
  }

  int64_t Several(float* out) {
    for (size_t i = 0; i < std::min(base_.size(), scores_.size()); ++i) {
      scores_[i] = has_[i] != 0 ? scores_[i] + base_[i] : base_[i];
      has_[i] = 1;
    }
    size_t best = 0;
    bool any = false;
    for (size_t i = 0; i < scores_.size(); ++i) {
      if (has_[i] == 0 || (any && !(scores_[i] > scores_[best]))) continue;
      best = i;
      any = true;
    }
    const int64_t label = LabelAt(best);
    WriteSeen(Second::kNone, out);
    return label;
  }

  // The base values, and what the two scores are then.
  void AddBaseOfTwo(bool both) {
    if (base_.size() == 2 && both) {
      scores_[1] = base_[1] + scores_[0];
      scores_[0] = -scores_[1];
    } else if (base_.size() == 2) {
      scores_[1] += base_[1];
      scores_[0] += base_[0];
    } else {
      if (base_.size() == 1) scores_[0] += base_[0];
      if (!both) scores_.pop_back();
    }
  }

  int64_t Two(float* out) {
    const bool both = has_[1] != 0;
    Second second = base_.empty() ? Second::kNegated : Second::kNone;
    AddBaseOfTwo(both);
    const A positive = scores_.size() == 2 && both
                           ? scores_[1]
                           : (has_[0] != 0 || !base_.empty() ? scores_[0] : A{0});
    const bool wins = positive > (link_.binary_case && link_.all_positive ? 0.5 : 0.0);
    if (link_.binary_case) second = link_.all_positive ? Second::kComplement : Second::kNegated;
    const int64_t label = link_.binary_case ? LabelAt(wins ? 1 : 0) : static_cast<int64_t>(wins);
    WriteSeen(second, out);
    return label;
  }

  // An output that no leaf had a weight for is zero, with or without a base value.
  void WriteSeen(Second second, float* out) {
    const bool plain =
        link_.transform != PostTransform::kLogistic && link_.transform != PostTransform::kProbit;
    if (scores_.size() == 1 && second == Second::kComplement && plain) {  // in double, if it is
      out[0] = static_cast<float>(1 - scores_[0]);
      out[1] = static_cast<float>(scores_[0]);
      return;
    }
    written_.clear();
    for (size_t i = 0; i < scores_.size(); ++i)
      written_.push_back(has_[i] != 0 ? static_cast<float>(scores_[i]) : 0.0F);
    Write(link_.transform, second, written_, out);
  }

  [[nodiscard]] int64_t LabelAt(size_t place) const {
    return link_.text_labels.empty() ? link_.int_labels[place] : static_cast<int64_t>(place);
  }

  const OnnxLink& link_;
  const Sums& sums_;
  const A* values_;
  std::vector<A> base_, scores_;
  std::vector<uint8_t> has_;
  std::vector<float> written_;
};

}  // namespace

OnnxAnswer FinishOnnx(const OnnxLink& link, const Sums& sums) {
  if (sums.doubles != nullptr) return Finisher<double>(link, sums, sums.doubles).Run();
  return Finisher<float>(link, sums, sums.singles).Run();
}

}  // namespace slipway::inference::trees
