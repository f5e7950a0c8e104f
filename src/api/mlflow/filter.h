// SPDX-License-Identifier: Apache-2.0
// MLflow's filter language: comparisons joined by AND. `metrics.auc > 0.7 AND tags."a b" LIKE 'x%'
// AND run_id IN ('a', 'b')`. OR and parentheses around comparisons are refused, as MLflow refuses
// them.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/mlflow/grammar.h"
#include "base/status.h"
#include "tracking/tracking.h"

namespace slipway::api::mlflow {

base::Result<std::vector<tracking::Condition>> ParseFilter(std::string_view filter,
                                                           const Grammar& grammar);
// "metrics.auc DESC", "name", "attributes.start_time ASC".
base::Result<std::vector<tracking::OrderBy>> ParseOrderBy(const std::vector<std::string>& keys,
                                                          const Grammar& grammar);

// For what is searched in memory: does `actual` (absent: no such tag) satisfy the condition? Wrong
// comparators are errors.
base::Result<bool> MatchesText(const tracking::Condition& condition,
                               const std::optional<std::string>& actual);
base::Result<bool> MatchesNumber(const tracking::Condition& condition, double actual);

}  // namespace slipway::api::mlflow
