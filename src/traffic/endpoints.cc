// SPDX-License-Identifier: Apache-2.0
// Walk of a prediction, step "route": the snapshot that routing reads. Walk of a version, step
// "rollout": how a plan changes.
#include "traffic/endpoints.h"

#include <cstdint>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/status.h"
#include "events/events.h"
#include "inference/model_pool.h"
#include "storage/database.h"
#include "traffic/plan.h"
#include "traffic/snapshot.h"
#include "traffic/version_loader.h"

namespace slipway::traffic {

using base::Json;
using base::Result;
using base::Status;

namespace {

using VersionKey = std::pair<std::string, int64_t>;
using ModelPtr = std::shared_ptr<inference::LoadedModel>;

constexpr int kMaxRollbackTries = 5;  // against changes that come in between

struct Served {
  std::map<std::string, std::shared_ptr<const ServedEndpoint>, std::less<>> endpoints;
  std::map<VersionKey, ModelPtr> models;  // everything loaded, standbys too
};

// Arms that could not be loaded leave their share to stable; nothing without stable.
std::shared_ptr<const ServedEndpoint> MakeServed(const Plan& plan,
                                                 const std::map<VersionKey, ModelPtr>& models) {
  auto served = std::make_shared<ServedEndpoint>();
  served->plan = plan;
  served->plan.arms.clear();
  double missing = 0;
  for (const Arm& arm : plan.arms) {
    const auto model = models.find({arm.model, arm.version});
    if (model == models.end()) {
      missing += arm.weight;
      if (arm.name == kStable) return nullptr;
      continue;
    }
    served->arms.push_back({arm, model->second});
  }
  for (ServedArm& arm : served->arms) {
    if (arm.arm.name == kStable) arm.arm.weight += missing;
    served->plan.arms.push_back(arm.arm);
  }
  return served;
}

}  // namespace

struct Endpoints::State {
  storage::Database& database;
  events::EventLog& events;
  base::Clock& clock;
  VersionLoader& loader;
  base::Metrics& metrics;
  Snapshot<Served> served{std::make_shared<Served>()};

  // Over what follows and over publishing: held during the transaction, never while a version
  // loads.
  std::mutex change_mutex;
  std::map<std::string, VersionKey> standby;  // what a rollback of the endpoint would restore
  std::vector<VersionKey> asked;              // by LoadVersion, oldest first

  std::shared_ptr<const ServedEndpoint> Find(std::string_view endpoint) const {
    const auto now = served.Get();
    const auto found = now->endpoints.find(endpoint);
    return found == now->endpoints.end() ? nullptr : found->second;
  }

  Result<ModelPtr> LoadOrFind(const VersionKey& key, bool later = false) {
    const auto now = served.Get();
    const auto found = now->models.find(key);
    if (found != now->models.end()) return found->second;
    return later ? loader.Later(key.first, key.second) : loader.Load(key.first, key.second);
  }

  // What the endpoint was asked lately is run by versions that are new to it, so that the first
  // callers after the change find them as warm as the ones before. One that fails at it is not
  // refused: the gates and the judge decide about that.
  void WarmWithRecent(const std::string& endpoint, const std::map<VersionKey, ModelPtr>& loaded) {
    constexpr int kRounds = 3;
    const auto now = served.Get();
    const auto found = now->endpoints.find(endpoint);
    if (found == now->endpoints.end()) return;
    const std::vector<inference::Request> recent = MainArm(*found->second).model->Recent();
    for (const auto& [key, model] : loaded) {
      if (now->models.contains(key)) continue;
      for (int round = 0; round < kRounds; ++round) {
        for (const inference::Request& request : recent) RunAndWait(*model, request);
      }
    }
  }

  static void RunAndWait(inference::LoadedModel& model, const inference::Request& request) {
    std::promise<void> ran;
    model.Run(request, {}, [&ran](const Result<inference::Response>&, inference::RunTiming) {
      ran.set_value();
    });
    ran.get_future().wait();
  }

  // Loads every arm of a plan into `models`; the first failure, naming the version.
  Status LoadArms(const std::vector<Arm>& arms, std::map<VersionKey, ModelPtr>& models,
                  bool later = false) {
    Status first;
    for (const Arm& arm : arms) {
      auto model = LoadOrFind({arm.model, arm.version}, later);
      if (model.ok()) {
        models[{arm.model, arm.version}] = std::move(model).value();
        continue;
      }
      Status why = std::move(model).TakeStatus();
      why = std::move(why).Annotate("load version " + std::to_string(arm.version) + " of model \"" +
                                    arm.model + "\"");
      base::Log(base::LogLevel::kError, "traffic", why.ToString(),
                {{"model", arm.model}, {"version", arm.version}});
      if (first.ok()) first = std::move(why);
    }
    return first;
  }

  // Under change_mutex. Keeps what the plans, the standbys and `asked` need and releases the rest.
  void Publish(const std::shared_ptr<Served>& next) {
    std::set<VersionKey> needed(asked.begin(), asked.end());
    for (const auto& [name, endpoint] : next->endpoints) {
      for (const ServedArm& arm : endpoint->arms) needed.insert({arm.arm.model, arm.arm.version});
    }
    for (const auto& [name, key] : standby) needed.insert(key);
    std::vector<VersionKey> released;
    for (auto it = next->models.begin(); it != next->models.end();) {
      if (needed.contains(it->first)) {
        ++it;
        continue;
      }
      released.push_back(it->first);
      it = next->models.erase(it);
    }
    served.Replace(next);
    for (const VersionKey& key : released) loader.Release(key.first, key.second);
  }

  void SetMetrics(const Plan* before, const Plan& now) {
    const std::string_view help = "Share of the endpoint's keys that the version answers.";
    const auto labels = [](const Plan& plan, const Arm& arm) {
      return base::Labels{
          {"endpoint", plan.endpoint}, {"arm", arm.name}, {"version", std::to_string(arm.version)}};
    };
    if (before != nullptr) {
      for (const Arm& arm : before->arms)
        metrics.GetGauge("slipway_traffic_weight", help, labels(*before, arm)).Set(0);
    }
    for (const Arm& arm : now.arms)
      metrics.GetGauge("slipway_traffic_weight", help, labels(now, arm)).Set(arm.weight);
    metrics
        .GetGauge("slipway_traffic_plan_epoch", "Epoch of the plan that is served.",
                  {{"endpoint", now.endpoint}})
        .Set(static_cast<double>(now.epoch));
  }

  // Under change_mutex, with every arm of `plan` in `loaded`.
  void Serve(const Plan& plan, const std::optional<Arm>& restorable,
             const std::map<VersionKey, ModelPtr>& loaded) {
    const auto now = served.Get();
    auto next = std::make_shared<Served>(*now);
    next->models.insert(loaded.begin(), loaded.end());
    const auto before = now->endpoints.find(plan.endpoint);
    next->endpoints[plan.endpoint] = MakeServed(plan, next->models);
    if (restorable) {
      standby[plan.endpoint] = {restorable->model, restorable->version};
    } else {
      standby.erase(plan.endpoint);
    }
    SetMetrics(before != now->endpoints.end() ? &before->second->plan : nullptr, plan);
    Publish(next);
  }

  // At start: the plan's versions, and what a rollback would restore.
  Status Restore(const Plan& plan, std::optional<Arm>& restorable) {
    std::map<VersionKey, ModelPtr> loaded;
    Status status = LoadArms(plan.arms, loaded, true);
    // A standby that is gone makes rollback slower or impossible, not serving: LoadArms has logged
    // it.
    if (restorable && !LoadArms({*restorable}, loaded, true).ok()) restorable.reset();
    if (MakeServed(plan, loaded) == nullptr) return status;
    std::lock_guard lock(change_mutex);
    Serve(plan, restorable, loaded);
    return status;
  }

  Status CheckExpected(const PlanChange& change, const std::optional<Plan>& current) const {
    const int64_t epoch = current ? current->epoch : 0;
    if (!change.expected_epoch || *change.expected_epoch == epoch) return Status::Ok();
    return {base::Code::kAborted, "plan_changed",
            "endpoint \"" + change.endpoint + "\" now has plan " + std::to_string(epoch) +
                ", not " + std::to_string(*change.expected_epoch)};
  }

  // Inside the transaction: the next plan, its row, its event and what else belongs to it.
  Status WritePlan(storage::Transaction& transaction, const PlanChange& change, Plan& plan,
                   std::optional<Arm>& restorable) {
    const std::optional<Plan> current = TRY(CurrentPlan(transaction, change.endpoint));
    TRY(CheckExpected(change, current));
    plan = Plan{change.endpoint, current ? current->epoch + 1 : 1, "", change.arms, clock.Now()};
    const bool enters = FindArm(plan, kCandidate) != nullptr &&
                        !(current && FindArm(*current, kCandidate) != nullptr);
    plan.salt =
        current && !enters ? current->salt : change.endpoint + "/" + std::to_string(plan.epoch);
    TRY(InsertPlan(transaction, plan, change.why, change.actor.name));
    restorable = TRY(RestorableArm(transaction, plan));
    events::Event event;
    event.type = "endpoint.plan_changed";
    event.subject = "endpoint/" + change.endpoint;
    event.actor = change.actor;
    event.data = ToJson(plan).Set("why", change.why);
    TRY(events.Append(transaction, std::move(event)));
    return change.also ? change.also(transaction, plan) : Status::Ok();
  }
};

Endpoints::Endpoints(storage::Database& database, events::EventLog& events, base::Clock& clock,
                     VersionLoader& loader, base::Metrics& metrics)
    : state_(std::make_unique<State>(database, events, clock, loader, metrics)) {
  loader.Follow([state = state_.get()](std::string_view name) { return state->Find(name); });
}
Endpoints::~Endpoints() { state_->loader.Follow(nullptr); }

Status Endpoints::Start() {
  std::vector<Plan> plans;
  std::map<std::string, std::optional<Arm>> restorable;
  TRY(state_->database.Read([&](storage::Transaction& transaction) -> Status {
    plans = TRY(CurrentPlans(transaction));
    for (const Plan& plan : plans)
      restorable[plan.endpoint] = TRY(RestorableArm(transaction, plan));
    return Status::Ok();
  }));
  // An ensemble that follows an endpoint waits until that one is served.
  Status first, waited;
  for (bool progress = true; progress && !plans.empty();) {
    waited = Status::Ok();
    std::vector<Plan> waiting;
    for (const Plan& plan : plans) {
      Status status = state_->Restore(plan, restorable[plan.endpoint]);
      if (status.ok()) continue;
      const bool may_come = status.reason() == "step_not_loaded";
      if (may_come) waiting.push_back(plan);
      Status& kept = may_come ? waited : first;
      if (kept.ok()) kept = std::move(status);
    }
    progress = waiting.size() < plans.size();
    plans = std::move(waiting);
  }
  if (first.ok()) first = std::move(waited);
  return first;
}

std::shared_ptr<const ServedEndpoint> Endpoints::Find(std::string_view endpoint) const {
  return state_->Find(endpoint);
}

Result<ModelPtr> Endpoints::LoadVersion(const std::string& model, int64_t version) {
  const VersionKey key{model, version};
  ModelPtr loaded = TRY(state_->LoadOrFind(key));
  std::lock_guard lock(state_->change_mutex);
  std::erase(state_->asked, key);
  state_->asked.push_back(key);
  if (state_->asked.size() > kMaxAskedVersions) state_->asked.erase(state_->asked.begin());
  auto next = std::make_shared<Served>(*state_->served.Get());
  next->models.insert({key, loaded});
  state_->Publish(next);
  return loaded;
}

Status Endpoints::Reload(const std::string& model, int64_t version) {
  const VersionKey key{model, version};
  const ModelPtr loaded = TRY(state_->loader.Reload(model, version));
  std::lock_guard lock(state_->change_mutex);
  auto next = std::make_shared<Served>(*state_->served.Get());
  const auto found = next->models.find(key);
  if (found == next->models.end()) {  // let go meanwhile
    state_->loader.Release(model, version);
    return Status::Ok();
  }
  found->second = loaded;
  for (auto& [name, endpoint] : next->endpoints) {
    auto again = std::make_shared<ServedEndpoint>(*endpoint);
    for (ServedArm& arm : again->arms) {
      if (arm.arm.model == model && arm.arm.version == version) arm.model = loaded;
    }
    endpoint = std::move(again);
  }
  state_->served.Replace(next);
  return Status::Ok();
}

ModelPtr Endpoints::FindVersion(const std::string& model, int64_t version) const {
  const auto served = state_->served.Get();
  const auto found = served->models.find({model, version});
  return found == served->models.end() ? nullptr : found->second;
}

std::vector<Plan> Endpoints::List() const {
  const auto served = state_->served.Get();
  std::vector<Plan> plans;
  for (const auto& [name, endpoint] : served->endpoints) plans.push_back(endpoint->plan);
  return plans;
}

Result<Plan> Endpoints::Apply(const std::string& endpoint, std::vector<Arm> arms,
                              const events::Actor& actor, const std::string& why) {
  PlanChange change;
  change.endpoint = endpoint;
  change.arms = std::move(arms);
  change.actor = actor;
  change.why = why;
  return Apply(std::move(change));
}

Result<Plan> Endpoints::Apply(PlanChange change) {
  TRY(CheckEndpointName(change.endpoint));
  TRY(CheckArms(change.arms));
  std::map<VersionKey, ModelPtr> loaded;
  TRY(state_->LoadArms(change.arms, loaded));
  state_->WarmWithRecent(change.endpoint, loaded);
  Plan plan;
  std::optional<Arm> restorable;
  std::lock_guard lock(state_->change_mutex);
  const auto now = state_->served.Get();
  if (now->endpoints.size() >= kMaxEndpoints && !now->endpoints.contains(change.endpoint)) {
    return base::ResourceExhausted(
        "too_many_endpoints", "there are already " + std::to_string(kMaxEndpoints) + " endpoints");
  }
  TRY(state_->database.Write([&](storage::Transaction& transaction) {
    return state_->WritePlan(transaction, change, plan, restorable);
  }));
  state_->Serve(plan, restorable, loaded);
  return plan;
}

Result<Plan> Endpoints::Rollback(const std::string& endpoint, const events::Actor& actor,
                                 const std::string& why) {
  for (int attempt = 1;; ++attempt) {
    std::optional<Plan> current;
    std::optional<Arm> restorable;
    TRY(state_->database.Read([&](storage::Transaction& transaction) -> Status {
      current = TRY(CurrentPlan(transaction, endpoint));
      if (current) restorable = TRY(RestorableArm(transaction, *current));
      return Status::Ok();
    }));
    if (!current)
      return base::NotFound("endpoint_not_found", "there is no endpoint \"" + endpoint + "\"");
    if (!restorable) {
      return base::FailedPrecondition(
          "nothing_to_restore",
          "endpoint \"" + endpoint + "\" never had another version for all its traffic");
    }
    PlanChange change;
    change.endpoint = endpoint;
    change.arms = {*restorable};
    change.actor = actor;
    change.why = why;
    change.expected_epoch = current->epoch;
    auto plan = Apply(std::move(change));
    if (plan.ok() || plan.status().reason() != "plan_changed" || attempt == kMaxRollbackTries)
      return plan;
  }
}

}  // namespace slipway::traffic
