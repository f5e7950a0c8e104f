// SPDX-License-Identifier: Apache-2.0
// Rollouts and their evidence as rows. Private to traffic.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "storage/database.h"
#include "traffic/rollouts.h"

namespace slipway::traffic {

base::Status SaveRollout(storage::Transaction& transaction, const Rollout& rollout);
base::Status SaveEvidence(storage::Transaction& transaction, const std::string& rollout,
                          base::Micros now, const base::Json& evidence);
// Newest first; "" for all endpoints.
base::Result<std::vector<Rollout>> ReadRollouts(storage::Transaction& transaction,
                                                const std::string& endpoint, int64_t limit);
base::Result<std::vector<Rollout>> ReadActiveRollouts(storage::Transaction& transaction);
base::Result<std::optional<Rollout>> ReadRollout(storage::Transaction& transaction,
                                                 const std::string& id);
base::Result<std::optional<base::Json>> ReadEvidence(storage::Transaction& transaction,
                                                     const std::string& rollout);

}  // namespace slipway::traffic
