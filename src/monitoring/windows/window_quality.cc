// SPDX-License-Identifier: Apache-2.0
// The numbers of a window once its labels are there.
#include "monitoring/windows/window_quality.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "monitoring/quality.h"

namespace slipway::monitoring {
namespace {

constexpr size_t kReliabilityBins = 10;  // as in the metric "calibration"

void AddMetric(std::string_view name, const std::vector<double>& truths,
               const std::vector<double>& scores, double confidence, WindowQuality& quality) {
  const auto metric = ParseMetric(name);
  if (!metric.ok()) return;
  // A metric that these rows do not define (one class only) is not there.
  auto estimate = MeasureMetric(*metric, truths, scores, confidence);
  if (estimate.ok()) quality.metrics.emplace(name, *estimate);
}

// The expected calibration error and its bins. Its interval is normal, from the variance of
// label - score in each bin: the bootstrap of `calibration` in quality.h takes too long for a
// window of a million rows.
void AddCalibration(const std::vector<QualityRow>& rows, double z, WindowQuality& quality) {
  struct Bin {
    double n = 0, scores = 0, positives = 0, off = 0, squares = 0;
  };
  std::array<Bin, kReliabilityBins> bins{};
  for (const QualityRow& row : rows) {
    const double place = std::clamp(row.score, 0.0, 1.0) * static_cast<double>(kReliabilityBins);
    Bin& bin = bins[std::min(kReliabilityBins - 1, static_cast<size_t>(place))];
    const double off = row.truth - row.score;
    bin.n += 1;
    bin.scores += row.score;
    bin.positives += row.truth;
    bin.off += off;
    bin.squares += off * off;
  }
  const double n = static_cast<double>(rows.size());
  double error = 0;
  double variance = 0;
  for (size_t i = 0; i < bins.size(); ++i) {
    const Bin& bin = bins[i];
    if (bin.n == 0) continue;
    error += std::abs(bin.off) / n;
    variance += std::max(0.0, bin.squares - bin.off * bin.off / bin.n) / (n * n);
    quality.reliability.push_back(
        {static_cast<double>(i) / kReliabilityBins, static_cast<double>(i + 1) / kReliabilityBins,
         static_cast<int64_t>(bin.n), bin.scores / bin.n, Wilson(bin.positives, bin.n, z)});
  }
  const double reach = z * std::sqrt(variance);
  quality.metrics["calibration"] = {error, std::max(0.0, error - reach),
                                    std::min(1.0, error + reach)};
}

void MeasureBinary(const std::vector<QualityRow>& rows, double confidence, WindowQuality& quality) {
  std::vector<ScoredLabel> scored;
  std::vector<double> truths;
  std::vector<double> scores;
  for (const QualityRow& row : rows) {
    scored.push_back({row.score, row.truth > 0.5});
    truths.push_back(row.truth);
    scores.push_back(row.score);
  }
  const QualityEstimates estimates = *MeasureQuality(scored, confidence);
  quality.positives = estimates.positives;
  if (estimates.auc) quality.metrics["auc"] = *estimates.auc;
  quality.metrics["accuracy"] = estimates.accuracy;
  quality.metrics["brier"] = estimates.brier;
  quality.metrics["log_loss"] = estimates.log_loss;
  AddMetric("pr_auc", truths, scores, confidence, quality);
  AddMetric("f1", truths, scores, confidence, quality);
  AddCalibration(rows, TwoSided(confidence), quality);
}

void MeasureNumbers(const std::vector<QualityRow>& rows, double confidence,
                    WindowQuality& quality) {
  std::vector<double> truths;
  std::vector<double> scores;
  for (const QualityRow& row : rows) {
    truths.push_back(row.truth);
    scores.push_back(row.score);
  }
  AddMetric("rmse", truths, scores, confidence, quality);
  AddMetric("mae", truths, scores, confidence, quality);
}

// F1 of a class = 2 p_kk / (p_k. + p_.k); macro F1 their mean over the classes that occur, as
// scikit-learn's f1_score(average="macro"). Its interval is by the delta method over the cells of
// the confusion matrix (Takahashi et al. 2022).
void MeasureClasses(const std::vector<QualityRow>& rows,
                    const std::vector<std::string>& class_names, double confidence,
                    WindowQuality& quality) {
  // By name, so that sums do not depend on which class came first.
  std::map<std::pair<std::string, std::string>, double> cells;  // truth, said
  std::map<std::string, double> sums;                           // of truth + said
  double right = 0;
  const double n = static_cast<double>(rows.size());
  for (const QualityRow& row : rows) {
    const std::string& truth = class_names[static_cast<size_t>(row.truth)];
    const std::string& said = class_names[static_cast<size_t>(row.score)];
    cells[{truth, said}] += 1;
    sums[truth] += 1;
    sums[said] += 1;
    right += truth == said ? 1 : 0;
  }
  quality.metrics["accuracy"] = Wilson(right, n, TwoSided(confidence));
  const double classes = static_cast<double>(sums.size());
  std::map<std::string, double> f1;
  double macro = 0;
  for (const auto& [name, sum] : sums) {
    const auto both = cells.find({name, name});
    f1[name] = both == cells.end() ? 0 : 2 * both->second / sum;
    macro += f1[name] / classes;
  }
  double mean = 0;
  double square = 0;
  for (const auto& [cell, count] : cells) {
    const auto& [truth, said] = cell;
    const double gradient = ((truth == said ? 2 * n / sums[truth] : 0) -
                             f1[truth] * n / sums[truth] - f1[said] * n / sums[said]) /
                            classes;
    mean += count / n * gradient;
    square += count / n * gradient * gradient;
  }
  const double reach = TwoSided(confidence) * std::sqrt(std::max(0.0, square - mean * mean) / n);
  quality.metrics["macro_f1"] = {macro, std::max(0.0, macro - reach), std::min(1.0, macro + reach)};
}

}  // namespace

std::optional<WindowQuality> MeasureWindow(std::vector<QualityRow>& rows, Task task,
                                           const std::vector<std::string>& class_names,
                                           double confidence) {
  if (rows.empty()) return std::nullopt;
  std::sort(rows.begin(), rows.end());  // also fixes the order of the sums below
  WindowQuality quality;
  quality.n = static_cast<int64_t>(rows.size());
  const auto is_class = [](const QualityRow& row) { return row.truth == 0 || row.truth == 1; };
  quality.task = task;
  if (task == Task::kAuto) {
    quality.task =
        std::all_of(rows.begin(), rows.end(), is_class) ? Task::kBinary : Task::kRegression;
  }
  if (quality.task == Task::kBinary) MeasureBinary(rows, confidence, quality);
  if (quality.task == Task::kRegression) MeasureNumbers(rows, confidence, quality);
  if (quality.task == Task::kMulticlass) MeasureClasses(rows, class_names, confidence, quality);
  return quality;
}

}  // namespace slipway::monitoring
