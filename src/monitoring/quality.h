// SPDX-License-Identifier: Apache-2.0
// Quality of one model's scores on labelled rows by any of the usual metrics, with an interval, and
// whether another model's scores of the same rows are better by more than chance. Pure functions:
// the same rows give the same numbers. Definitions are scikit-learn's: roc_auc_score,
// average_precision_score, log_loss, brier_score_loss, accuracy_score and f1_score of score > 0.5,
// root_mean_squared_error, mean_absolute_error; calibration is the expected calibration error over
// ten bins of equal width (Naeini et al. 2015).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "monitoring/intervals.h"
#include "monitoring/stats.h"

namespace slipway::monitoring {

struct Metric {
  std::string_view name;
  bool higher_is_better = true;
  bool binary = true;  // labels are 0 and 1
};
std::span<const Metric> Metrics();
// kInvalidArgument (field "metric") listing those that there are.
base::Result<Metric> ParseMetric(std::string_view name);

// scores[i] for labels[i]: the probability of the positive class, or the predicted value.
// Intervals: AUC by DeLong; PR-AUC on the logit scale (Boyd et al. 2013); log loss, Brier, MAE of a
// mean, RMSE as the root of one; accuracy Wilson; F1 from Wilson's of the share of true positives
// among all rows that are or are called positive; calibration by a seeded bootstrap of 200.
// kFailedPrecondition (reason "not_measurable") when the metric is not defined on these rows: none,
// one class only, labels that are not 0 and 1, NaN. kInvalidArgument when lengths differ.
base::Result<Estimate> MeasureMetric(const Metric& metric, std::span<const double> labels,
                                     std::span<const double> scores, double confidence);

struct Gain {
  double reference = 0;  // the metric's value
  double challenger = 0;
  double gain = 0;  // how much better the challenger is: positive whatever the metric
  double lower = 0;
  double upper = 0;
};
// Paired bootstrap over rows (Efron & Tibshirani 1993), percentile interval. O(rows) a resample.
// Errors as above; too few rows, so that most resamples are not measurable, too.
base::Result<Gain> MeasureGain(const Metric& metric, std::span<const double> labels,
                               std::span<const double> reference,
                               std::span<const double> challenger,
                               const BootstrapSettings& settings);

}  // namespace slipway::monitoring
