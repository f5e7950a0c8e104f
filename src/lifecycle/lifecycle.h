// SPDX-License-Identifier: Apache-2.0
// Lifecycle: the only room that knows the whole loop. It reads the events of the others and acts by
// policy:
//   window.judged with a broken rule -> the pipelines that name it;  pipeline.run_finished -> the
//   candidate's contest -> staging -> rollout; rollout.promoted -> production;  rollout.rolled_back
//   -> archived;  a version put into production by hand -> its endpoint.
// The endpoint of a model bears the model's name.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/config.h"
#include "base/json.h"
#include "base/status.h"
#include "events/events.h"
#include "lifecycle/alert_actions.h"
#include "lifecycle/contest.h"
#include "monitoring/monitor.h"
#include "pipelines/pipelines.h"
#include "registry/registry.h"
#include "storage/database.h"
#include "traffic/endpoints.h"
#include "traffic/rollouts.h"

namespace slipway::lifecycle {

struct LifecycleSettings {
  // {"<model>" or "*": {"candidates": "stage" | "ignore", "rollout": true, "reference_metric":
  // "holdout_auc"}}
  base::Json policies = base::Json::MakeObject();
  ContestRules contest;
};
// Settings policies, contest.*
void Describe(base::Schema& schema, LifecycleSettings& settings);

struct Policy {
  bool stage_candidates = true;  // what a pipeline registered is compared and, when better, staged
  bool rollout = true;           // what was staged so is rolled out
  std::string reference_metric =
      "holdout_auc";                  // of the run: what the first production version is held to
  std::vector<AlertAction> on_alert;  // what a firing alert of the model's endpoint does
};
// kInvalidArgument naming "policies.<model>.<key>".
base::Result<std::map<std::string, Policy>> ParsePolicies(const base::Json& setting);
base::Json ToJson(const Policy& policy);

struct PromoteRequest {
  std::string model;
  int64_t version = 0;
  bool force = false;  // past failing gates; needs a reason
  std::string reason;
  events::Actor actor;
};

// Thread-safe; everything blocks.
class Lifecycle {
 public:
  struct Parts {
    storage::Database& database;
    events::EventLog& events;
    base::Clock& clock;
    registry::Registry& registry;
    traffic::Endpoints& endpoints;
    traffic::Rollouts& rollouts;
    monitoring::Monitor& monitor;
    pipelines::Pipelines& pipelines;
    Contests& contests;
  };
  Lifecycle(Parts parts, LifecycleSettings settings);
  ~Lifecycle();

  base::Status Start();  // checks the policies
  // Acts on the events since the last tick. Each handler looks at the state as it is, so an event
  // that comes twice does no harm. True when there was something to do.
  base::Result<bool> Tick();

  // Staging (through its gates) when it is not there yet, then a rollout on the model's endpoint;
  // the model's first version goes to production at once and there is no rollout.
  base::Result<std::optional<traffic::Rollout>> Promote(const PromoteRequest& request);
  // A running rollout is aborted, else the version before answers again; the stages follow.
  base::Result<traffic::Plan> Rollback(const std::string& endpoint, const std::string& reason,
                                       const events::Actor& actor);
  base::Json PoliciesJson() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace slipway::lifecycle
