// SPDX-License-Identifier: Apache-2.0
// Plans as rows and JSON, and what a plan must fulfil. Private to traffic.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "storage/database.h"
#include "traffic/endpoints.h"

namespace slipway::traffic {

// kInvalidArgument naming "arms[i].weight" and so on.
base::Status CheckArms(const std::vector<Arm>& arms);
base::Status CheckEndpointName(const std::string& name);
base::Json ArmsToJson(const std::vector<Arm>& arms);
base::Result<std::vector<Arm>> ArmsFromJson(const base::Json& arms);
// The arm, when it is the plan's only one besides shadows.
const Arm* OnlyArm(const Plan& plan);
const Arm* FindArm(const Plan& plan, std::string_view name);

// The plan that holds now; nothing when there is no such endpoint.
base::Result<std::optional<Plan>> CurrentPlan(storage::Transaction& transaction,
                                              const std::string& endpoint);
base::Result<std::vector<Plan>> CurrentPlans(storage::Transaction& transaction);
// What Endpoints::Rollback restores when `plan` holds.
base::Result<std::optional<Arm>> RestorableArm(storage::Transaction& transaction, const Plan& plan);
base::Status InsertPlan(storage::Transaction& transaction, const Plan& plan, const std::string& why,
                        const std::string& actor);

}  // namespace slipway::traffic
