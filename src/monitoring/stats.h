// SPDX-License-Identifier: Apache-2.0
// Statistics of scored, labelled rows: AUC, Brier score, log loss, accuracy, each with an interval,
// and the paired comparison of several models' AUC on the same rows. Pure functions; every result
// depends on the multiset of rows alone, to the last bit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/status.h"
#include "monitoring/intervals.h"

namespace slipway::monitoring {

struct ScoredLabel {
  double score = 0;  // probability of the positive class (AUC: any monotone score); not NaN
  bool label = false;
};

// P(score of a positive > score of a negative) + P(equal) / 2: Mann-Whitney U with midranks (Hanley
// & McNeil 1982). nullopt unless both classes are there.
std::optional<double> Auc(std::span<const ScoredLabel> rows);
// Interval: DeLong's variance (DeLong et al. 1988, computed from midranks as Sun & Xu 2014),
// normal, clipped to [0, 1].
std::optional<Estimate> AucWithInterval(std::span<const ScoredLabel> rows, double confidence);

struct QualityEstimates {
  int64_t n = 0;
  int64_t positives = 0;
  std::optional<Estimate> auc;
  Estimate brier;     // mean (score - label)^2; normal interval of a mean
  Estimate log_loss;  // mean -ln p, natural logarithm, p clipped to [1e-15, 1 - 1e-15]; normal
                      // interval of a mean
  Estimate accuracy;  // share of (score > 0.5) == label; Wilson 1927
};
// nullopt when `rows` is empty. Sorts `rows`.
std::optional<QualityEstimates> MeasureQuality(std::vector<ScoredLabel>& rows, double confidence);

struct BootstrapSettings {
  int64_t resamples = 500;
  uint64_t seed = 1;         // same seed and input: same result on every machine
  double confidence = 0.95;  // percentile interval (Efron & Tibshirani 1993)
};
struct AucComparison {
  double auc = 0;
  double brier = 0;
  double difference = 0;  // auc - the reference's auc, with the bootstrap interval
  double lower = 0;
  double upper = 0;
};
// scores[k][i]: model k's score of row i. Each model is compared with scores[reference] on the same
// resampled rows (the reference itself has difference 0). O(models * rows) a resample: 12 500 rows
// x 500 x 6 well under a second. kFailedPrecondition (reason "one_class") unless both classes
// occur; kInvalidArgument when lengths differ or a score is NaN.
base::Result<std::vector<AucComparison>> CompareAuc(std::span<const uint8_t> labels,
                                                    std::span<const std::vector<double>> scores,
                                                    size_t reference,
                                                    const BootstrapSettings& settings);

}  // namespace slipway::monitoring
