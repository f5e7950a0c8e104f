// SPDX-License-Identifier: Apache-2.0
// DetectorPlan: what a sequential detector listens for in one stream of bins. A bank of CUSUM
// charts (Page 1954), each the log likelihood ratio of one alternative against the frozen
// reference, as a table by bin: a value costs a row of that table, and one outlier no more than its
// bin. Private to this room.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace slipway::monitoring {

inline constexpr size_t kCharts = 8;
// All charts of a stream together, without a change.
inline constexpr double kValuesPerFalseAlarm = 250'000;
inline constexpr size_t kMostDetectorBins = 256;

// Immutable. The rate of false alarms counts that the reference is a sample, too: a chart whose
// alternative lies so near that `reference rows` cannot tell it from chance is left out.
class DetectorPlan {
 public:
  // Bins as FeatureBins has them: [missing, below, ..., above], [missing, unseen, other, ...].
  // Numeric: the bins' normal scores moved by 0.25, 0.5 and 1 standard deviations up and down; more
  // missing; more out of range. Categorical: more missing, more unseen, and the share of each of
  // the three most frequent categories up and down.
  static DetectorPlan Numeric(std::span<const int64_t> counts);
  static DetectorPlan Categorical(std::span<const int64_t> counts,
                                  std::span<const std::string> labels);
  // Bins [right, wrong]: the error rate up by 0.14, 0.28 and 0.56 standard deviations of one value
  // (from 0.15: to 0.20, 0.25, 0.35).
  static DetectorPlan Errors(int64_t wrong, int64_t rows);

  // Steps of all charts in a bin, as shares of their thresholds: a chart alarms at 1.
  using Steps = std::array<float, kCharts>;
  std::span<const Steps> steps() const { return steps_; }
  // "rises", "falls", "missing", "out_of_range", "unseen", "more 'JFK'", "less 'JFK'".
  const std::string& ChartName(size_t chart) const { return names_[chart]; }
  size_t chart_count() const { return chart_count_; }
  // The smallest move of a numeric stream, in standard deviations, that has a chart; 0: none has.
  double smallest_shift() const { return smallest_shift_; }

 private:
  explicit DetectorPlan(size_t bins) : steps_(bins) {}
  // `llr`: one a bin; `share`: of the reference. False: the reference is too small for it.
  bool AddChart(const std::string& name, const std::vector<double>& llr,
                const std::vector<double>& shares, double reference_rows, double false_alarm_share);
  // The bins of `members` together get more (or less) of the rows.
  void AddShareChart(const std::string& name, const std::vector<bool>& members,
                     std::span<const int64_t> counts, bool more);

  std::vector<Steps> steps_;
  std::array<std::string, kCharts> names_;
  size_t chart_count_ = 0;
  double smallest_shift_ = 0;
};

}  // namespace slipway::monitoring
