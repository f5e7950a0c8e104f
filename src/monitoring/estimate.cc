// SPDX-License-Identifier: Apache-2.0
// What a window's quality should be, before its labels are there.
#include "monitoring/estimate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <string>

namespace slipway::monitoring {
namespace {

constexpr size_t kBins = 10;
constexpr int kSplits = 10;
constexpr size_t kHeldOutPart = 10;  // a tenth
constexpr size_t kLeastReference = 20;
constexpr double kConfidenceLevel = 0.95;

struct Block {
  double weight = 0;
  double sum = 0;
  size_t first = 0;  // of the distinct scores
  size_t last = 0;
  [[nodiscard]] double Mean() const { return sum / weight; }
};

std::vector<size_t> OrderOf(std::span<const double> scores) {
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return scores[a] != scores[b] ? scores[a] < scores[b] : a < b;
  });
  return order;
}

struct Errors {
  double raw = 0;
  double calibrated = 0;
};

// Pooled over the held-out rows of all splits. Its draws are its own: NannyML's come from numpy's
// generator, and only the choice depends on them.
Errors HeldOutErrors(std::span<const double> scores, std::span<const uint8_t> labels) {
  const size_t held_out = std::max<size_t>(1, scores.size() / kHeldOutPart);
  std::vector<size_t> rows(scores.size());
  std::iota(rows.begin(), rows.end(), size_t{0});
  Random random(42);
  std::vector<double> raw;
  std::vector<double> calibrated;
  std::vector<uint8_t> truth;
  for (int split = 0; split < kSplits; ++split) {
    for (size_t i = 0; i < held_out; ++i)
      std::swap(rows[i], rows[i + random.Below(rows.size() - i)]);
    std::vector<double> fit_scores;
    std::vector<uint8_t> fit_labels;
    for (size_t i = held_out; i < rows.size(); ++i) {
      fit_scores.push_back(scores[rows[i]]);
      fit_labels.push_back(labels[rows[i]]);
    }
    const IsotonicCurve curve(fit_scores, fit_labels);
    for (size_t i = 0; i < held_out; ++i) {
      raw.push_back(scores[rows[i]]);
      calibrated.push_back(curve.At(scores[rows[i]]));
      truth.push_back(labels[rows[i]]);
    }
  }
  return {CalibrationError(raw, truth), CalibrationError(calibrated, truth)};
}

base::Status CheckScores(const char* field, std::span<const double> scores) {
  for (size_t row = 0; row < scores.size(); ++row) {
    if (!(scores[row] >= 0 && scores[row] <= 1)) {
      return base::InvalidArgument(field, "the score of row " + std::to_string(row) +
                                              " is not a probability between 0 and 1");
    }
  }
  return base::Status::Ok();
}

base::Status CheckReference(std::span<const double> scores, std::span<const uint8_t> labels) {
  if (scores.size() != labels.size())
    return base::InvalidArgument("reference", "expected one label a score");
  if (scores.size() < kLeastReference) {
    return base::InvalidArgument("reference",
                                 "expected at least " + std::to_string(kLeastReference) +
                                     " labelled rows, got " + std::to_string(scores.size()));
  }
  const auto positives = static_cast<size_t>(std::count(labels.begin(), labels.end(), 1));
  if (positives == 0 || positives == labels.size())
    return base::InvalidArgument("reference", "its labels are all of one class");
  return CheckScores("reference", scores);
}

// The area under the expected curve: rows by falling raw score, each partly positive; rows of one
// score go together.
std::optional<double> ExpectedAuc(std::span<const double> scores, std::span<const double> chances) {
  double positives = 0;
  double negatives = 0;
  double below = 0;
  double area = 0;
  const std::vector<size_t> order = OrderOf(scores);
  for (size_t i = 0; i < order.size();) {
    double p = 0;
    double n = 0;
    const double score = scores[order[i]];
    for (; i < order.size() && scores[order[i]] == score; ++i) {
      p += chances[order[i]];
      n += 1 - chances[order[i]];
    }
    area += p * (below + n / 2);
    below += n;
    positives += p;
    negatives += n;
  }
  if (positives <= 0 || negatives <= 0) return std::nullopt;
  return area / (positives * negatives);
}

}  // namespace

IsotonicCurve::IsotonicCurve(std::span<const double> scores, std::span<const uint8_t> labels) {
  std::vector<double> distinct;
  std::vector<Block> blocks;
  const std::vector<size_t> order = OrderOf(scores);
  for (size_t i = 0; i < order.size();) {
    Block block;
    const double score = scores[order[i]];
    for (; i < order.size() && scores[order[i]] == score; ++i) {
      block.weight += 1;
      block.sum += labels[order[i]];
    }
    block.first = block.last = distinct.size();
    distinct.push_back(score);
    while (!blocks.empty() && blocks.back().Mean() >= block.Mean()) {
      block.weight += blocks.back().weight;
      block.sum += blocks.back().sum;
      block.first = blocks.back().first;
      blocks.pop_back();
    }
    blocks.push_back(block);
  }
  for (const Block& block : blocks) {
    x_.push_back(distinct[block.first]);
    y_.push_back(block.Mean());
    if (block.last == block.first) continue;
    x_.push_back(distinct[block.last]);
    y_.push_back(block.Mean());
  }
}

double IsotonicCurve::At(double score) const {
  if (x_.empty()) return score;
  const auto above = std::upper_bound(x_.begin(), x_.end(), score);
  if (above == x_.begin()) return y_.front();
  if (above == x_.end()) return y_.back();
  const auto i = static_cast<size_t>(above - x_.begin());
  const double part = (score - x_[i - 1]) / (x_[i] - x_[i - 1]);
  return y_[i - 1] + part * (y_[i] - y_[i - 1]);
}

double CalibrationError(std::span<const double> scores, std::span<const uint8_t> labels) {
  std::array<double, kBins> off{};
  for (size_t row = 0; row < scores.size(); ++row) {
    const double place = std::clamp(scores[row], 0.0, 1.0) * static_cast<double>(kBins);
    off[std::min(kBins - 1, static_cast<size_t>(place))] += labels[row] - scores[row];
  }
  const double sum = std::accumulate(
      off.begin(), off.end(), 0.0, [](double total, double bin) { return total + std::abs(bin); });
  return scores.empty() ? 0 : sum / static_cast<double>(scores.size());
}

base::Result<CbpeEstimate> EstimateByConfidence(std::span<const double> reference_scores,
                                                std::span<const uint8_t> reference_labels,
                                                std::span<const double> scores,
                                                std::span<const uint8_t> called) {
  TRY(CheckReference(reference_scores, reference_labels));
  if (scores.empty()) return base::InvalidArgument("current", "it has no rows");
  if (!called.empty() && called.size() != scores.size())
    return base::InvalidArgument("current", "expected one prediction a score");
  TRY(CheckScores("current", scores));
  CbpeEstimate estimate;
  estimate.n = static_cast<int64_t>(scores.size());
  const Errors errors = HeldOutErrors(reference_scores, reference_labels);
  estimate.reference_error = errors.raw;
  estimate.reference_error_calibrated = errors.calibrated;
  estimate.calibrated = errors.calibrated < errors.raw;
  const IsotonicCurve curve(reference_scores, reference_labels);
  std::vector<double> chances;
  double right = 0;
  double variance = 0;
  double true_positives = 0;
  double called_positive = 0;
  for (size_t row = 0; row < scores.size(); ++row) {
    const double p = estimate.calibrated ? curve.At(scores[row]) : scores[row];
    const bool is_called = called.empty() ? scores[row] > 0.5 : called[row] != 0;
    chances.push_back(p);
    estimate.expected_positives += p;
    right += is_called ? p : 1 - p;
    variance += p * (1 - p);
    true_positives += is_called ? p : 0;
    called_positive += is_called ? 1 : 0;
  }
  const double n = static_cast<double>(scores.size());
  const double reach = TwoSided(kConfidenceLevel) * std::sqrt(variance) / n;
  estimate.accuracy = {right / n, std::max(0.0, right / n - reach),
                       std::min(1.0, right / n + reach)};
  // 2 TP + FP + FN = called positive + positives.
  const double either = called_positive + estimate.expected_positives;
  if (either > 0) estimate.f1 = 2 * true_positives / either;
  estimate.auc = ExpectedAuc(scores, chances);
  return estimate;
}

}  // namespace slipway::monitoring
