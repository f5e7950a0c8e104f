// SPDX-License-Identifier: Apache-2.0
// The part that every metric shares: the finding that a difference of means gives.
#pragma once

#include <span>
#include <string_view>

#include "traffic/analysis.h"

namespace slipway::traffic {

struct MeanJudgement {
  std::string_view name;
  double tolerance = 0;
  double alpha = 0;        // shown in the finding
  double bound_alpha = 0;  // of each bound
};

// `least_variance`: of one candidate value, given the mean of stable's.
MetricFinding JudgeMean(const MeanJudgement& judgement, std::span<const StepTotals> steps,
                        double (*least_variance)(double stable_mean, double tolerance));

}  // namespace slipway::traffic
