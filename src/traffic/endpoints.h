// SPDX-License-Identifier: Apache-2.0
// Endpoints: the names that callers use, and for each the plan that says which version answers
// whom. Reading never waits for a change; a change loads and warms every version first, is durable
// with its event, and only then visible.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/metrics.h"
#include "base/status.h"
#include "events/events.h"
#include "inference/model_pool.h"
#include "storage/database.h"
#include "traffic/version_loader.h"

namespace slipway::traffic {

inline constexpr std::string_view kStable = "stable";
inline constexpr std::string_view kCandidate = "candidate";
inline constexpr std::string_view kShadow = "shadow";
// The arm of a model that is served without the registry: it is never judged, and never production.
inline constexpr std::string_view kUnmanaged = "unmanaged";
inline constexpr size_t kMaxEndpoints = 1000;
// Versions kept loaded beyond those of the plans and their standbys, because somebody asked for
// them by number.
inline constexpr size_t kMaxAskedVersions = 8;

struct Arm {
  std::string name;  // "stable", "candidate", "shadow"; "unmanaged"
  std::string model;
  int64_t version = 0;
  double weight = 0;  // share of keys in [0, 1]; a shadow arm has 0
};

// Immutable. Same salt and key -> same bucket for ever: growing the candidate's weight only moves
// keys in. The salt changes only when a candidate enters, so that it is not always the same users
// who try the new version.
struct Plan {
  std::string endpoint;
  int64_t epoch = 0;  // rises by 1 with every change
  std::string salt;
  std::vector<Arm> arms;
  base::Micros since = 0;
};
base::Json ToJson(
    const Plan&
        plan);  // {"endpoint","epoch","salt","since","arms":[{"name","model","version","weight"}]}

struct ServedArm {
  Arm arm;
  std::shared_ptr<inference::LoadedModel> model;  // never null
};
struct ServedEndpoint {
  Plan plan;
  // Same order as plan.arms; stable is always among them, or all are unmanaged, the newest first.
  std::vector<ServedArm> arms;
};
// Stable; of an unmanaged model the newest version.
const ServedArm& MainArm(const ServedEndpoint& endpoint);

// bucket = Murmur3(salt + ":" + key) in [0, 2^32) as a fraction; candidate when bucket < its
// weight, else stable. An index into `arms`; no allocation for keys up to 400 bytes.
size_t ChooseArm(const ServedEndpoint& endpoint, std::string_view key);

// A change of an endpoint's plan.
struct PlanChange {
  std::string endpoint;
  std::vector<Arm>
      arms;  // one stable, at most one candidate and one shadow; weights in [0, 1] with sum 1
  events::Actor actor;
  std::string why;
  std::optional<int64_t> expected_epoch;  // refuse (kAborted, reason "plan_changed") when the plan
                                          // now has another epoch
  // More writes in the same transaction, given the plan as it will be: all or nothing.
  std::function<base::Status(storage::Transaction&, const Plan&)> also;
};

// Thread-safe.
class Endpoints {
 public:
  Endpoints(storage::Database& database, events::EventLog& events, base::Clock& clock,
            VersionLoader& loader, base::Metrics& metrics);
  ~Endpoints();
  // Reads the plans and loads their versions, and the one that a rollback would restore. A version
  // that cannot be loaded is an error naming it (the first one; all are logged); what else can be
  // served is: an arm that is missing leaves its share to stable.
  base::Status Start();

  // Never blocks on a change or a load; nullptr when there is no such endpoint.
  [[nodiscard]] std::shared_ptr<const ServedEndpoint> Find(std::string_view endpoint) const;
  // One version whatever the plan says (`/v2/models/m/versions/3/...`), loaded if needed: blocks.
  base::Result<std::shared_ptr<inference::LoadedModel>> LoadVersion(const std::string& model,
                                                                    int64_t version);
  // Opens a version again, as its tags say by now, and answers with it wherever it is served.
  // Requests under way end with the former one. Blocks.
  base::Status Reload(const std::string& model, int64_t version);
  [[nodiscard]] std::shared_ptr<inference::LoadedModel> FindVersion(
      const std::string& model, int64_t version) const;  // nullptr: not loaded
  [[nodiscard]] std::vector<Plan> List() const;          // by name
  // Next epoch with these arms (epoch, salt and since are filled in). The version that a rollback
  // would restore stays loaded.
  base::Result<Plan> Apply(const std::string& endpoint, std::vector<Arm> arms,
                           const events::Actor& actor, const std::string& why);
  base::Result<Plan> Apply(PlanChange change);
  // The newest earlier plan that had one version only, another than the one that now has all the
  // traffic (while a candidate is tried, that is stable alone): 100 % to it in one step.
  // kFailedPrecondition (reason "nothing_to_restore") when there is none.
  base::Result<Plan> Rollback(const std::string& endpoint, const events::Actor& actor,
                              const std::string& why);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace slipway::traffic
