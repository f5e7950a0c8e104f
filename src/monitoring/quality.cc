// SPDX-License-Identifier: Apache-2.0
// Metrics over rows that count more than once: a resample is a count for each row.
#include "monitoring/quality.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

namespace slipway::monitoring {
namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
constexpr double kLeastProbability = 1e-15;
constexpr size_t kBins = 10;
constexpr int64_t kMostResamples = 100'000;
constexpr BootstrapSettings kCalibrationBootstrap = {.resamples = 200};

struct Rows {
  std::span<const double> labels;
  std::span<const double> scores;
  std::vector<uint32_t> order;  // by rising score
};
using Counts = std::span<const uint32_t>;
using Measure = double (*)(const Rows&, Counts);

Rows Prepare(std::span<const double> labels, std::span<const double> scores) {
  Rows rows{labels, scores, std::vector<uint32_t>(scores.size())};
  std::iota(rows.order.begin(), rows.order.end(), 0U);
  std::ranges::sort(rows.order, [&](uint32_t a, uint32_t b) {
    return scores[a] != scores[b] ? scores[a] < scores[b] : a < b;
  });
  return rows;
}

// Calls with how many of both classes have each score, rising.
template <typename Visit>
void ByScore(const Rows& rows, Counts counts, Visit visit) {
  for (size_t i = 0; i < rows.order.size();) {
    const double score = rows.scores[rows.order[i]];
    double positives = 0, negatives = 0;
    for (; i < rows.order.size() && rows.scores[rows.order[i]] == score; ++i) {
      const uint32_t row = rows.order[i];
      (rows.labels[row] > 0.5 ? positives : negatives) += counts[row];
    }
    visit(positives, negatives);
  }
}

double AucOf(const Rows& rows, Counts counts) {
  double below = 0, positives = 0, wins = 0;
  ByScore(rows, counts, [&](double positive, double negative) {
    wins += positive * (below + negative / 2);
    below += negative;
    positives += positive;
  });
  return below > 0 && positives > 0 ? wins / (below * positives) : kUndefined;
}

double PrAuc(const Rows& rows, Counts counts) {
  double positives = 0, all = 0;
  for (size_t row = 0; row < rows.labels.size(); ++row) {
    all += counts[row];
    if (rows.labels[row] > 0.5) positives += counts[row];
  }
  // Of the threshold at each score: what is at it or above, found from what is below.
  double area = 0, found = positives;
  ByScore(rows, counts, [&](double positive, double negative) {
    if (all > 0) area += positive * found / all;
    found -= positive;
    all -= positive + negative;
  });
  return positives > 0 ? area / positives : kUndefined;
}

double LogLossOf(double label, double score) {
  const double p = std::clamp(score, kLeastProbability, 1 - kLeastProbability);
  return label > 0.5 ? -std::log(p) : -std::log1p(-p);
}
double SquareOf(double label, double score) { return (label - score) * (label - score); }
double MissOf(double label, double score) { return std::abs(label - score); }
double RightOf(double label, double score) { return (label > 0.5) == (score > 0.5) ? 1.0 : 0.0; }

template <double (*loss)(double, double)>
double MeanLoss(const Rows& rows, Counts counts) {
  double sum = 0, total = 0;
  for (size_t row = 0; row < rows.labels.size(); ++row) {
    if (counts[row] == 0) continue;
    sum += counts[row] * loss(rows.labels[row], rows.scores[row]);
    total += counts[row];
  }
  return total > 0 ? sum / total : kUndefined;
}
double Rmse(const Rows& rows, Counts counts) { return std::sqrt(MeanLoss<SquareOf>(rows, counts)); }

struct Confusion {
  double both = 0;    // true positives
  double either = 0;  // labelled or called positive, not both
};
Confusion Confuse(const Rows& rows, Counts counts) {
  Confusion confusion;
  for (size_t row = 0; row < rows.labels.size(); ++row) {
    const bool label = rows.labels[row] > 0.5, said = rows.scores[row] > 0.5;
    if (label && said) confusion.both += counts[row];
    if (label != said) confusion.either += counts[row];
  }
  return confusion;
}
double F1(const Rows& rows, Counts counts) {
  const auto [both, either] = Confuse(rows, counts);
  return both + either > 0 ? 2 * both / (2 * both + either) : kUndefined;
}

double Calibration(const Rows& rows, Counts counts) {
  std::array<double, kBins> off{};
  double total = 0;
  for (size_t row = 0; row < rows.labels.size(); ++row) {
    const double place = std::clamp(rows.scores[row], 0.0, 1.0) * static_cast<double>(kBins);
    const size_t bin = std::min(kBins - 1, static_cast<size_t>(place));
    off[bin] += counts[row] * (rows.labels[row] - rows.scores[row]);
    total += counts[row];
  }
  const double error = std::accumulate(off.begin(), off.end(), 0.0,
                                       [](double sum, double bin) { return sum + std::abs(bin); });
  return total > 0 ? error / total : kUndefined;
}

using Draw = std::vector<uint32_t>;
void Resample(Random& random, Draw& counts) {
  std::ranges::fill(counts, 0U);
  for (size_t draw = 0; draw < counts.size(); ++draw) ++counts[random.Below(counts.size())];
}

// The interval of what `measure` gives on resamples, NaN where it is not defined; false when that
// is so on half of them.
template <typename MeasureDraw>
bool Bootstrap(size_t rows, const BootstrapSettings& settings, MeasureDraw measure, double& lower,
               double& upper) {
  Random random(settings.seed);
  Draw counts(rows);
  std::vector<double> values;
  for (int64_t resample = 0; resample < settings.resamples; ++resample) {
    Resample(random, counts);
    const double value = measure(counts);
    if (!std::isnan(value)) values.push_back(value);
  }
  if (static_cast<int64_t>(values.size()) * 2 <= settings.resamples) return false;
  std::ranges::sort(values);
  lower = SortedQuantile(values, (1 - settings.confidence) / 2);
  upper = SortedQuantile(values, (1 + settings.confidence) / 2);
  return true;
}

// --- Intervals of one model's value
using Interval = Estimate (*)(const Rows&, double value, double confidence);

Estimate AucInterval(const Rows& rows, double value, double confidence) {
  std::vector<ScoredLabel> scored;
  scored.reserve(rows.labels.size());
  for (const uint32_t row : rows.order)
    scored.push_back({rows.scores[row], rows.labels[row] > 0.5});
  return AucWithInterval(scored, confidence).value_or(Estimate{value, 0, 1});
}

Estimate LogitInterval(const Rows& rows, double value, double confidence) {
  const auto positives = static_cast<double>(
      std::ranges::count_if(rows.labels, [](double label) { return label > 0.5; }));
  if (value <= 0 || value >= 1) return {value, 0, 1};
  const double logit = std::log(value / (1 - value));
  const double reach = TwoSided(confidence) / std::sqrt(positives * value * (1 - value));
  return {value, 1 / (1 + std::exp(reach - logit)), 1 / (1 + std::exp(-reach - logit))};
}

template <double (*loss)(double, double)>
Estimate MeanInterval(const Rows& rows, double, double confidence) {
  double sum = 0, squares = 0;
  for (size_t row = 0; row < rows.labels.size(); ++row) {
    const double one = loss(rows.labels[row], rows.scores[row]);
    sum += one;
    squares += one * one;
  }
  return MeanOf(sum, squares, static_cast<double>(rows.labels.size()), TwoSided(confidence), 0);
}
Estimate RmseInterval(const Rows& rows, double value, double confidence) {
  const Estimate squared = MeanInterval<SquareOf>(rows, value, confidence);
  return {std::sqrt(squared.value), std::sqrt(squared.lower), std::sqrt(squared.upper)};
}
Estimate AccuracyInterval(const Rows& rows, double value, double confidence) {
  const auto n = static_cast<double>(rows.labels.size());
  return Wilson(value * n, n, TwoSided(confidence));
}
// F1 = 2q / (1 + q) with q the share of true positives among all rows that are or are called
// positive, and rises with it.
Estimate F1Interval(const Rows& rows, double value, double confidence) {
  const Draw once(rows.labels.size(), 1);
  const auto [both, either] = Confuse(rows, once);
  const Estimate share = Wilson(both, both + either, TwoSided(confidence));
  const auto f1 = [](double q) { return 2 * q / (1 + q); };
  return {value, f1(share.lower), f1(share.upper)};
}
Estimate CalibrationInterval(const Rows& rows, double value, double confidence) {
  BootstrapSettings settings = kCalibrationBootstrap;
  settings.confidence = confidence;
  Estimate estimate{value, 0, 1};
  Bootstrap(
      rows.labels.size(), settings, [&](const Draw& counts) { return Calibration(rows, counts); },
      estimate.lower, estimate.upper);
  return estimate;
}

struct Known {
  Measure measure;
  Interval interval;
};
constexpr std::array<Metric, 9> kMetrics = {{{"auc", true, true},
                                             {"pr_auc", true, true},
                                             {"log_loss", false, true},
                                             {"brier", false, true},
                                             {"accuracy", true, true},
                                             {"f1", true, true},
                                             {"rmse", false, false},
                                             {"mae", false, false},
                                             {"calibration", false, true}}};
constexpr std::array<Known, kMetrics.size()> kKnown = {
    {{AucOf, AucInterval},
     {PrAuc, LogitInterval},
     {MeanLoss<LogLossOf>, MeanInterval<LogLossOf>},
     {MeanLoss<SquareOf>, MeanInterval<SquareOf>},
     {MeanLoss<RightOf>, AccuracyInterval},
     {F1, F1Interval},
     {Rmse, RmseInterval},
     {MeanLoss<MissOf>, MeanInterval<MissOf>},
     {Calibration, CalibrationInterval}}};

const Known* Find(std::string_view name) {
  const auto* const found = std::ranges::find(kMetrics, name, &Metric::name);
  return found == kMetrics.end() ? nullptr : &kKnown[static_cast<size_t>(found - kMetrics.begin())];
}

base::Status NotMeasurable(const Metric& metric, const std::string& why) {
  return base::FailedPrecondition(
      "not_measurable", std::string(metric.name) + " cannot be measured on these rows: " + why);
}

base::Status CheckRows(const Metric& metric, std::span<const double> labels,
                       std::span<const double> scores) {
  if (labels.size() != scores.size() || labels.size() > UINT32_MAX)
    return base::InvalidArgument("scores", "expected one score a row");
  if (labels.empty()) return NotMeasurable(metric, "there are none");
  for (size_t row = 0; row < labels.size(); ++row) {
    if (metric.binary && labels[row] != 0 && labels[row] != 1)
      return NotMeasurable(metric, "the label of row " + std::to_string(row) + " is not 0 or 1");
    if (!std::isfinite(scores[row]) || !std::isfinite(labels[row]))
      return NotMeasurable(
          metric, "the score or label of row " + std::to_string(row) + " is not a finite number");
  }
  return {};
}

}  // namespace

std::span<const Metric> Metrics() { return kMetrics; }

base::Result<Metric> ParseMetric(std::string_view name) {
  std::string names;
  for (const Metric& metric : kMetrics) {
    if (metric.name == name) return metric;
    names += (names.empty() ? "" : ", ") + std::string(metric.name);
  }
  return base::InvalidArgument("metric", "expected one of " + names);
}

base::Result<Estimate> MeasureMetric(const Metric& metric, std::span<const double> labels,
                                     std::span<const double> scores, double confidence) {
  TRY(CheckRows(metric, labels, scores));
  const Known* known = Find(metric.name);
  const Rows rows = Prepare(labels, scores);
  const Draw once(labels.size(), 1);
  const double value = known->measure(rows, once);
  if (std::isnan(value)) return NotMeasurable(metric, "a class is missing");
  Estimate estimate = known->interval(rows, value, confidence);
  estimate.value = value;
  return estimate;
}

base::Result<Gain> MeasureGain(const Metric& metric, std::span<const double> labels,
                               std::span<const double> reference,
                               std::span<const double> challenger,
                               const BootstrapSettings& settings) {
  TRY(CheckRows(metric, labels, reference));
  TRY(CheckRows(metric, labels, challenger));
  if (settings.resamples < 2 || settings.resamples > kMostResamples)
    return base::InvalidArgument("resamples", "expected 2 to " + std::to_string(kMostResamples));
  const Measure measure = Find(metric.name)->measure;
  const Rows former = Prepare(labels, reference), next = Prepare(labels, challenger);
  const double sign = metric.higher_is_better ? 1 : -1;
  const Draw once(labels.size(), 1);
  Gain gain{measure(former, once), measure(next, once)};
  gain.gain = sign * (gain.challenger - gain.reference);
  if (std::isnan(gain.gain)) return NotMeasurable(metric, "a class is missing");
  const bool enough = Bootstrap(
      labels.size(), settings,
      [&](const Draw& counts) { return sign * (measure(next, counts) - measure(former, counts)); },
      gain.lower, gain.upper);
  if (!enough) return NotMeasurable(metric, "there are too few of one class");
  return gain;
}

}  // namespace slipway::monitoring
