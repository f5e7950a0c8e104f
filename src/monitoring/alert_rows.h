// SPDX-License-Identifier: Apache-2.0
// Alerts as rows of their table. Private to this room.
#pragma once

#include <string_view>

#include "monitoring/alerts.h"

namespace slipway::monitoring {

inline constexpr std::string_view kAlertColumns =
    "id, rule, endpoint, version, severity, state, since, resolved, value, threshold, summary, "
    "episode_key, window_start, data, labels, runbook, told, pending_since, breaches, "
    "acknowledged, acknowledged_by, acknowledged_why";

Alert AlertFromRow(const storage::Row& row);
base::Status InsertAlert(storage::Transaction& transaction, const Alert& alert);
base::Status UpdateAlert(storage::Transaction& transaction, const Alert& alert);

}  // namespace slipway::monitoring
