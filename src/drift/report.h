// SPDX-License-Identifier: Apache-2.0
// The drift report: every score of every column with what chance explains of it, and a verdict that
// holds its promise of false alarms over all columns together. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "drift/distances.h"
#include "drift/profile.h"

namespace slipway::drift {

inline constexpr double kPsiThreshold = 0.2;
inline constexpr double kAlpha = 0.05;
inline constexpr int64_t kLeastRows = 50;  // a side; with fewer there is no verdict
// Below it the null distributions of PSI, KL, JS and Hellinger do not hold (their floor and the
// chi-square limit): they have no p-value then.
inline constexpr int64_t kLeastRowsPerBin = 20;

// One number of one column. `p_value` is absent where its null distribution does not hold or is not
// known; it is of this score alone.
struct Score {
  std::string_view name;  // of Metrics()
  double value = 0;
  double error = 0;  // at most so far from the value of the rows themselves; 0: exact
  std::optional<double> p_value;
};

// "psi", "kl", "js", "js_bits", "wasserstein", "wasserstein_normed", "ks", "hellinger",
// "chi_square", "l_infinity", "total_variation", "rank_sum", "missing", "range", in this order.
std::span<const std::string_view> Metrics();

// Of the verdict's tests, each with its share of alpha (they add up to 1): "ks" 0.3, "rank_sum"
// 0.3, "bins" 0.2, "missing" 0.1, "range" 0.1 of a numeric column; "bins" 0.7, "missing" 0.1,
// "unseen" 0.2 of a categorical one. A column's p-value is min(p / share), at most 1: at most alpha
// false alarms whatever the dependence (weighted Bonferroni).
struct TestPart {
  std::string_view name;
  double share = 0;
  double p_value = 1;
};

struct BinShare {
  std::string label;
  double reference = 0;
  double current = 0;
};

struct ColumnReport {
  std::string name;
  FeatureKind kind = FeatureKind::kNumeric;
  int64_t reference_rows = 0;
  int64_t rows = 0;
  std::vector<Score> scores;
  std::vector<TestPart> tests;
  // False: too few rows to judge; `needs_rows` more (of current rows, or of the reference when
  // `reference_is_small`) would do.
  bool judged = false;
  int64_t needs_rows = 0;
  bool reference_is_small = false;
  double p_value = 1;
  double p_adjusted = 1;         // Benjamini-Hochberg over all judged columns
  std::string_view decided_by;   // the test with the least p / share
  bool drifted = false;          // judged and p_adjusted < alpha
  bool above_threshold = false;  // psi > psi_threshold, judged or not
  double missing_share = 0;
  double reference_missing_share = 0;
  double out_of_range_share = 0;  // numeric
  double unseen_share = 0;        // categorical
  Moments reference_moments;
  Moments moments;
  std::vector<BinShare> bins;

  [[nodiscard]] const Score* Find(std::string_view metric) const;
};

// A column that only one side has, or whose type is another.
struct SchemaChange {
  std::string column;
  std::string_view change;  // "missing", "added", "type"
  std::string reference_type;
  std::string current_type;
};

struct Report {
  std::string reference;
  std::string current;
  int64_t reference_rows = 0;
  int64_t rows = 0;
  double psi_threshold = kPsiThreshold;
  double alpha = kAlpha;
  std::vector<ColumnReport> columns;
  std::vector<SchemaChange> schema;
  int64_t drifted = 0;
  int64_t above_threshold = 0;
  int64_t unjudged = 0;
};

struct CompareOptions {
  double psi_threshold = kPsiThreshold;
  double alpha = kAlpha;
  std::vector<std::string_view> metrics;  // of Metrics(); empty: all
};

// One column: `current` was counted in `reference`'s bins. p_adjusted and drifted are left to
// JudgeColumns. With `sample`, KS and Wasserstein are exact.
ColumnReport CompareColumn(const ColumnProfile& reference, const ColumnCounts& current,
                           const CompareOptions& options,
                           const std::optional<SampleDistances>& sample = std::nullopt);
// The verdict over all columns together.
void JudgeColumns(std::span<ColumnReport> columns, double alpha);

base::Json ColumnJson(const ColumnReport& column);
base::Json ReportJson(const Report& report);

}  // namespace slipway::drift
