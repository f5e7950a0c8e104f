// SPDX-License-Identifier: Apache-2.0
// Quality without labels: confidence-based performance estimation (CBPE; NannyML 2022) of a
// two-class model. On a reference with labels the score is calibrated; then every row that is
// called positive is a true positive with its calibrated probability. It sees what a change of the
// inputs does to the quality; it is blind to concept drift, because the calibration is the
// reference's. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/status.h"
#include "monitoring/intervals.h"

namespace slipway::monitoring {

// The rising step function that is nearest to the labels in squares (pool adjacent violators;
// Barlow et al. 1972), linear between its points and constant beyond them, as scikit-learn's
// IsotonicRegression(out_of_bounds="clip") predicts.
class IsotonicCurve {
 public:
  // One label a score; no NaN.
  IsotonicCurve(std::span<const double> scores, std::span<const uint8_t> labels);
  double At(double score) const;

 private:
  std::vector<double> x_;
  std::vector<double> y_;
};

// Mean |share of positives - mean score| over ten bins of equal width, weighted by their rows.
double CalibrationError(std::span<const double> scores, std::span<const uint8_t> labels);

struct CbpeEstimate {
  int64_t n = 0;
  // Whether the isotonic curve is used: only when it lowers the calibration error of rows that it
  // was not fitted on (ten random tenths of the reference).
  bool calibrated = false;
  double reference_error = 0;             // of the score as it is, on those tenths
  double reference_error_calibrated = 0;  // of the curve, on those tenths
  double expected_positives = 0;
  Estimate accuracy;          // normal interval of what the rows' chance leaves, at 95 %
  std::optional<double> f1;   // none when nothing is or is called positive
  std::optional<double> auc;  // none when one class is not expected
};

// `called`: what the model said of each current row; empty: score > 0.5. kInvalidArgument (field
// "reference" or "current") for NaN, scores outside [0, 1], lengths that differ, no rows or one
// class only in the reference.
base::Result<CbpeEstimate> EstimateByConfidence(std::span<const double> reference_scores,
                                                std::span<const uint8_t> reference_labels,
                                                std::span<const double> scores,
                                                std::span<const uint8_t> called);

}  // namespace slipway::monitoring
