// SPDX-License-Identifier: Apache-2.0
// Rules: what one closed window says. Pure functions from its reports to findings. Private to this
// room.
#pragma once

#include <optional>
#include <vector>

#include "monitoring/alerts.h"
#include "monitoring/monitor.h"

namespace slipway::monitoring {

inline constexpr double kDriftAlpha = 0.05;  // false discovery rate over the features of one window
inline constexpr double kConfidence = 0.95;  // of every interval
inline constexpr int64_t kLeastRequestsForErrors = 100;

// prediction_psi, feature_psi, error_rate; a rule that cannot judge (too few rows, no baseline) is
// silent.
std::vector<Finding> JudgeDrift(const WindowReport& window, const DriftReport* drift,
                                const std::string& endpoint, const MonitorSettings& settings);
// auc_drop: breached when the AUC is more than settings.auc_drop under the reference and the AUC's
// interval excludes the reference. Silent without a reference.
std::vector<Finding> JudgeQuality(const WindowReport& window, std::optional<double> reference_auc,
                                  const std::string& endpoint, const MonitorSettings& settings);

}  // namespace slipway::monitoring
