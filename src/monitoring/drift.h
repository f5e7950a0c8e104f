// SPDX-License-Identifier: Apache-2.0
// Drift: how far counts in frozen bins have moved from the baseline, and whether chance alone
// explains it. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "drift/distances.h"
#include "drift/report.h"
#include "monitoring/baseline.h"

namespace slipway::monitoring {

struct FeatureDrift {
  std::string name;
  FeatureKind kind = FeatureKind::kNumeric;
  int64_t n = 0;
  double psi = 0;
  double threshold = 0;
  // False: too few rows to judge; `needs_rows` more would do.
  bool judged = false;
  int64_t needs_rows = 0;
  // Chance of such a PSI without drift: PSI ~ (1/n + 1/m) chi-square with (occupied bins - 1)
  // degrees of freedom (Yurdakul & Naranjo 2020), and the same adjusted over all judged features
  // (Benjamini-Hochberg).
  double p_value = 1;
  double p_adjusted = 1;
  bool drifted = false;  // judged, psi > threshold and p_adjusted < alpha
  double missing_share = 0;
  double out_of_range_share = 0;  // numeric
  double unseen_share = 0;        // categorical
  std::vector<drift::BinShare> bins;
  // Every distance with its p-value, and the verdict of the distribution tests over all features
  // (docs/drift.md).
  drift::ColumnReport report;
  // By how much the mean prediction of the reference moves when its rows are weighted so that this
  // feature alone is spread as in the window. Absent without reference scores.
  std::optional<double> contribution;
  double unexplained_share = 0;  // window's rows in bins that the reference does not fill
};

// counts[i] belongs to profiles[i]; p-values are adjusted over all of them.
std::vector<FeatureDrift> MeasureDrift(std::span<const FeatureProfile> profiles,
                                       std::span<const drift::ColumnCounts> counts,
                                       double threshold, double alpha);

// Fills contribution and unexplained_share. What two features do together, and a change of one that
// goes along with another's, counts for each of them.
void Attribute(const Baseline& baseline, std::span<const drift::ColumnCounts> counts,
               std::span<FeatureDrift> drifts);

}  // namespace slipway::monitoring
