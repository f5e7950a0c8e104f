// SPDX-License-Identifier: Apache-2.0
// How a detector's charts are designed from the reference counts.
//
// A chart is S = max(0, S + llr). Its run length without a change is about
// (exp(b) - b - 1) / |mean llr|, b = threshold + 1.166 sd(llr) (Siegmund 1985): the threshold
// follows from the rate of false alarms that the chart may cause. For steps so uneven that this
// does not hold, exp(threshold) is a lower bound of it (Lorden 1971).
#include "monitoring/detect/detector_plan.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "drift/distributions.h"

namespace slipway::monitoring {
namespace {

constexpr double kOvershoot = 1.166;
constexpr double kMostScore = 3;        // of a bin: what one outlier can say at most
constexpr double kUnevenStep = 1.5;     // of a chart: from here on Lorden's bound
constexpr double kSureOfReference = 4;  // times the rows below which no threshold would do
constexpr double kLeastRise = 0.05;     // of missing, out of range, unseen
constexpr double kCategoryShift = 0.35;

// A normal density; 0 at infinity.
double Density(double z) { return std::exp(-z * z / 2) * 0.3989422804014327; }

std::vector<double> SharesOf(std::span<const int64_t> counts) {
  const double total = std::max<double>(
      1, static_cast<double>(std::accumulate(counts.begin(), counts.end(), int64_t{0})));
  std::vector<double> shares;
  for (const int64_t count : counts) shares.push_back(static_cast<double>(count) / total);
  return shares;
}

// The mean of a standard normal in each bin, if the bins in their order cut it by their shares;
// 0 for bin 0, missing. A bin of the range's end that the reference leaves empty counts one row.
std::vector<double> NormalScores(std::span<const int64_t> counts, std::vector<double>& shares) {
  std::vector<double> weights(counts.begin(), counts.end());
  weights[0] = 0;
  weights[1] = std::max(weights[1], 1.0);
  weights.back() = std::max(weights.back(), 1.0);
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  const double present = 1 - shares[0];
  std::vector<double> scores(counts.size(), 0);
  double below = 0;
  double low = -std::numeric_limits<double>::infinity();
  for (size_t bin = 1; bin < counts.size(); ++bin) {
    const double share = weights[bin] / total;
    shares[bin] = share * present;
    below += share;
    const double high = bin + 1 == counts.size() || below >= 1
                            ? std::numeric_limits<double>::infinity()
                            : drift::NormalQuantile(below);
    if (share > 0) {
      scores[bin] = std::clamp((Density(low) - Density(high)) / share, -kMostScore, kMostScore);
    }
    low = high;
  }
  return scores;
}

// The likelihood ratio of the reference tilted by exp(shift * score), missing values aside.
std::vector<double> Tilt(const std::vector<double>& scores, const std::vector<double>& shares,
                         double shift) {
  double sum = 0;
  double present = 0;
  for (size_t bin = 1; bin < scores.size(); ++bin) {
    sum += shares[bin] * std::exp(shift * scores[bin]);
    present += shares[bin];
  }
  std::vector<double> llr(scores.size(), 0);
  if (present <= 0) return llr;
  const double normal = std::log(sum / present);
  for (size_t bin = 1; bin < scores.size(); ++bin) llr[bin] = shift * scores[bin] - normal;
  return llr;
}

std::vector<double> ShareRatio(const std::vector<bool>& members, double before, double after) {
  std::vector<double> llr(members.size());
  for (size_t bin = 0; bin < members.size(); ++bin) {
    llr[bin] = members[bin] ? std::log(after / before) : std::log((1 - after) / (1 - before));
  }
  return llr;
}

}  // namespace

bool DetectorPlan::AddChart(const std::string& name, const std::vector<double>& llr,
                            const std::vector<double>& shares, double reference_rows,
                            double false_alarm_share) {
  double mean = 0;
  double square = 0;
  double most = 0;
  for (size_t bin = 0; bin < llr.size(); ++bin) {
    mean += shares[bin] * llr[bin];
    square += shares[bin] * llr[bin] * llr[bin];
    most = std::max(most, llr[bin]);
  }
  const double variance = square - mean * mean;
  if (variance <= 0 || mean >= 0) return false;
  const double run_length = kValuesPerFalseAlarm / false_alarm_share;
  double threshold = std::log(run_length);
  if (most < kUnevenStep || most * most < 16 * variance) {
    double b = threshold + std::log(-mean);
    for (int i = 0; i < 4; ++i) b = std::log(run_length * -mean + b + 1);
    // The reference's own chance error moves the mean of llr by sd(llr) / sqrt(rows), and the rate
    // of false alarms, on average over it, by exp(2 b^2 / (variance rows)): b makes up for it.
    const double rows = variance * reference_rows;
    if (rows < 2 * kSureOfReference * b) return false;
    b = rows / 4 * (1 - std::sqrt(1 - 8 * b / rows));
    threshold = b - kOvershoot * std::sqrt(variance);
  }
  for (size_t bin = 0; bin < llr.size(); ++bin) {
    steps_[bin][chart_count_] = static_cast<float>(llr[bin] / threshold);
  }
  names_[chart_count_++] = name;
  return true;
}

// What the reference hardly has (no value missing among a thousand) may well be chance: the share
// before is taken at the upper end of what the reference allows.
void DetectorPlan::AddShareChart(const std::string& name, const std::vector<bool>& members,
                                 std::span<const int64_t> counts, bool more) {
  double inside = 0;
  double rows = 0;
  for (size_t bin = 0; bin < counts.size(); ++bin) {
    rows += static_cast<double>(counts[bin]);
    if (members[bin]) inside += static_cast<double>(counts[bin]);
  }
  const double slack = 2 * std::sqrt(inside) + 3;
  const double before = (inside + (more ? slack : -slack)) / std::max(rows, 1.0);
  if (before <= 0 || before >= 0.9) return;
  const double step =
      std::max(more ? kLeastRise : 0, kCategoryShift * std::sqrt(before * (1 - before)));
  const double after = std::min(before + (more ? step : -step), 0.99);
  if (after <= 0.001) return;
  std::vector<double> shares(counts.size(), 0);
  const size_t member =
      static_cast<size_t>(std::find(members.begin(), members.end(), true) - members.begin());
  const size_t other =
      static_cast<size_t>(std::find(members.begin(), members.end(), false) - members.begin());
  shares[member] = before;
  shares[other] = 1 - before;
  constexpr double kEver = 1e15;  // the slack is in `before`
  AddChart(name, ShareRatio(members, before, after), shares, kEver, 0.05);
}

DetectorPlan DetectorPlan::Numeric(std::span<const int64_t> counts) {
  DetectorPlan plan(counts.size());
  std::vector<double> shares = SharesOf(counts);
  const double rows =
      static_cast<double>(std::accumulate(counts.begin() + 1, counts.end(), int64_t{0}));
  if (rows == 0) return plan;
  const std::vector<double> scores = NormalScores(counts, shares);
  // Small moves need the most time, so most of the false alarms are theirs.
  constexpr std::array<std::array<double, 2>, 3> kShifts{{{0.25, 0.41}, {0.5, 0.03}, {1, 0.02}}};
  for (const auto& [shift, part] : kShifts) {
    for (const double sign : {1.0, -1.0}) {
      const bool added = plan.AddChart(sign > 0 ? "rises" : "falls",
                                       Tilt(scores, shares, sign * shift), shares, rows, part);
      if (added && plan.smallest_shift_ == 0) plan.smallest_shift_ = shift;
    }
  }
  std::vector<bool> missing(counts.size(), false);
  missing[0] = true;
  plan.AddShareChart("missing", missing, counts, true);
  std::vector<bool> outside(counts.size(), false);
  outside[1] = outside.back() = true;
  plan.AddShareChart("out_of_range", outside, counts, true);
  return plan;
}

DetectorPlan DetectorPlan::Categorical(std::span<const int64_t> counts,
                                       std::span<const std::string> labels) {
  constexpr size_t kFirstCategory = 3;
  constexpr size_t kCategories = 3;
  DetectorPlan plan(counts.size());
  std::vector<bool> members(counts.size(), false);
  const auto add = [&](const std::string& name, size_t bin, bool more) {
    members[bin] = true;
    plan.AddShareChart(name, members, counts, more);
    members[bin] = false;
  };
  if (std::accumulate(counts.begin(), counts.end(), int64_t{0}) == 0) return plan;
  add("missing", 0, true);
  add("unseen", 1, true);
  // The bins come with the most frequent category first.
  for (size_t bin = kFirstCategory; bin < std::min(counts.size(), kFirstCategory + kCategories);
       ++bin) {
    add("more '" + labels[bin] + "'", bin, true);
    add("less '" + labels[bin] + "'", bin, false);
  }
  return plan;
}

DetectorPlan DetectorPlan::Errors(int64_t wrong, int64_t rows) {
  DetectorPlan plan(2);
  if (rows <= 0) return plan;
  // Half a row each way: a reference without an error does not promise that there are none.
  const double before = (static_cast<double>(wrong) + 0.5) / (static_cast<double>(rows) + 1);
  const std::vector<double> shares{1 - before, before};
  constexpr std::array<std::array<double, 2>, 3> kShifts{{{0.14, 0.2}, {0.28, 0.6}, {0.56, 0.2}}};
  for (const auto& [shift, part] : kShifts) {
    const double after = std::min(0.99, before + shift * std::sqrt(before * (1 - before)));
    plan.AddChart("rises", ShareRatio({false, true}, before, after), shares,
                  static_cast<double>(rows), part);
  }
  return plan;
}

}  // namespace slipway::monitoring
