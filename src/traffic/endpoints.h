// SPDX-License-Identifier: Apache-2.0
// Endpoints: the names that callers use, and for each the plan that says which version answers whom. Reading is lock-free against
// a snapshot; a change loads and warms every version first, is durable with its event, and only then visible.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "events/events.h"
#include "inference/model_pool.h"
#include "registry/registry.h"
#include "storage/database.h"

namespace slipway::traffic {

struct Arm {
  std::string name;  // "stable", "candidate", "shadow"
  std::string model;
  int64_t version = 0;
  double weight = 0;  // share of keys in [0, 1]; a shadow arm has 0
};

// Immutable. Same salt and key -> same bucket for ever: growing the candidate's weight only moves keys in.
struct Plan {
  std::string endpoint;
  int64_t epoch = 0;  // rises by 1 with every change
  std::string salt;
  std::vector<Arm> arms;
  base::Micros since = 0;
};

struct ServedArm {
  Arm arm;
  std::shared_ptr<inference::LoadedModel> model;
};
struct ServedEndpoint {
  Plan plan;
  std::vector<ServedArm> arms;  // same order as plan.arms
};

// bucket = Murmur3(salt + ":" + key) in [0, 2^32) as a fraction; candidate when bucket < its weight.
size_t ChooseArm(const ServedEndpoint& endpoint, std::string_view key);

class Endpoints {
 public:
  Endpoints(storage::Database& database, events::EventLog& events, base::Clock& clock, registry::Registry& registry,
            inference::ModelPool& pool);
  ~Endpoints();
  // Reads the plans and loads their versions. A version that cannot be loaded is an error naming it; the others are served.
  base::Status Start();

  // Wait-free for callers; nullptr when there is no such endpoint.
  std::shared_ptr<const ServedEndpoint> Find(std::string_view endpoint) const;
  // One version whatever the plan says (`/v2/models/m/versions/3/...`), loaded if needed by a background load: blocks.
  base::Result<std::shared_ptr<inference::LoadedModel>> LoadVersion(const std::string& model, int64_t version);
  std::shared_ptr<inference::LoadedModel> FindVersion(const std::string& model, int64_t version) const;  // nullptr: not loaded
  std::vector<Plan> List() const;
  // Next epoch with these arms (epoch, salt and since are filled in). The former versions stay warm for rollback.
  base::Result<Plan> Apply(const std::string& endpoint, std::vector<Arm> arms, const events::Actor& actor, const std::string& why);
  // The newest earlier plan whose only arm was another stable version; 100 % to it in one step.
  base::Result<Plan> Rollback(const std::string& endpoint, const events::Actor& actor, const std::string& why);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace slipway::traffic
