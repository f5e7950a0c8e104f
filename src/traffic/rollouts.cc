// SPDX-License-Identifier: Apache-2.0
// Walk of a version, step "rollout": holds the active rollouts, has them judged and turns decisions
// into plans.
#include "traffic/rollouts.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/status.h"
#include "events/actor.h"
#include "events/events.h"
#include "storage/database.h"
#include "traffic/analysis.h"
#include "traffic/endpoints.h"
#include "traffic/evidence.h"
#include "traffic/plan.h"
#include "traffic/rollout_machine.h"
#include "traffic/rollout_store.h"
#include "traffic/snapshot.h"

namespace slipway::traffic {

using base::Json;
using base::Result;
using base::Status;
using Kind = RolloutDecision::Kind;

namespace {

constexpr int64_t kMaxListed = 1000;

using EvidencePtr = std::shared_ptr<const Evidence>;
using LiveEvidence = std::map<std::string, EvidencePtr, std::less<>>;  // by endpoint

struct Active {
  Rollout rollout;
  EvidencePtr evidence;
  int64_t saved_ns = 0;  // base::MonotonicNanos of the last save of the evidence
};

struct Move {
  RolloutState state;
  std::string decision;  // as in the history
  std::string event;
  bool forced = false;  // a person decided past the judge
};

Status Ended(const Rollout& rollout) {
  return base::FailedPrecondition(
      "rollout_ended", "rollout " + rollout.id + " of endpoint \"" + rollout.endpoint +
                           "\" has ended: " + std::string(RolloutStateName(rollout.state)));
}

// Stable with what the candidate leaves it, the candidate (when it has a version) and the plan's
// shadows.
std::vector<Arm> ArmsOf(const Rollout& rollout, int64_t stable, double candidate_weight,
                        const Plan* now) {
  std::vector<Arm> arms = {{std::string(kStable), rollout.model, stable, 1 - candidate_weight}};
  if (candidate_weight > 0) {
    arms.push_back({std::string(kCandidate), rollout.model, rollout.to_version, candidate_weight});
  }
  for (size_t i = 0; now != nullptr && i < now->arms.size(); ++i) {
    if (now->arms[i].name == kShadow) arms.push_back(now->arms[i]);
  }
  return arms;
}

double WeightNow(const Rollout& rollout) {
  return rollout.steps[static_cast<size_t>(rollout.step)].weight;
}

}  // namespace

struct Rollouts::State {
  storage::Database& database;
  events::EventLog& events;
  base::Clock& clock;
  base::Metrics& metrics;
  Endpoints& endpoints;
  const Analyses analyses;
  const RolloutSettings settings;

  // What Observe reads.
  Snapshot<LiveEvidence> live{std::make_shared<LiveEvidence>()};
  std::atomic<size_t> live_count{0};

  std::mutex mutex;                      // over what follows; held during a decision's transaction
  std::map<std::string, Active> active;  // by endpoint
  std::vector<RolloutStep> default_steps;

  // Under mutex.
  void PublishLive() {
    auto next = std::make_shared<LiveEvidence>();
    for (const auto& [endpoint, entry] : active) (*next)[endpoint] = entry.evidence;
    live_count.store(next->size(), std::memory_order_relaxed);
    metrics.GetGauge("slipway_traffic_rollouts_active", "Rollouts that are running or paused.")
        .Set(static_cast<double>(next->size()));
    live.Replace(next);
  }

  void AddStep(Active& entry) const {
    auto next = std::make_shared<Evidence>(*entry.evidence);
    next->steps.push_back(std::make_shared<StepEvidence>(
        entry.rollout.epoch, entry.rollout.step_started, analyses.size()));
    entry.evidence = std::move(next);
  }

  Rollout Judged(const Active& entry) const {
    Rollout rollout = entry.rollout;
    rollout.analysis = entry.evidence->Judge(analyses, settings.alpha);
    return rollout;
  }

  // Inside a transaction: the row, the evidence so far and the event.
  Status Write(storage::Transaction& transaction, const Rollout& rollout, const Evidence& evidence,
               const Move& move, const events::Actor& actor) {
    TRY(SaveRollout(transaction, rollout));
    TRY(SaveEvidence(transaction, rollout.id, clock.Now(), evidence.Save(analyses)));
    events::Event event;
    event.type = move.event;
    event.subject = "endpoint/" + rollout.endpoint;
    event.actor = actor;
    event.data = ToJson(rollout).Set("why", rollout.reason).Set("forced", move.forced);
    return events.Append(transaction, std::move(event));
  }

  void Note(Rollout& rollout, const Move& move, const std::string& why, base::Micros now) const {
    rollout.state = move.state;
    rollout.reason = why;
    if (!rollout.active()) rollout.ended = now;
    rollout.history.push_back({now, rollout.step, WeightNow(rollout), move.decision, why});
  }

  // Under mutex, after the decision is durable.
  Rollout Keep(const Rollout& next, const Move& move) {
    Active& entry = active.at(next.endpoint);
    const bool new_step = next.active() && next.epoch != entry.rollout.epoch;
    entry.rollout = next;
    entry.saved_ns = base::MonotonicNanos();
    if (new_step) AddStep(entry);
    if (!next.active()) active.erase(next.endpoint);
    if (new_step || !next.active()) PublishLive();
    metrics
        .GetCounter("slipway_traffic_rollout_decisions", "Decisions about rollouts.",
                    {{"decision", move.decision}})
        .Add();
    base::Log(base::LogLevel::kInfo, "traffic", "rollout " + move.decision,
              {{"endpoint", next.endpoint}, {"rollout", next.id}, {"why", next.reason}});
    return next;
  }

  // Under mutex. The plan, the row and the event in one transaction. `next` is as it will be but
  // for its epoch.
  Result<Rollout> MoveTraffic(const Active& entry, Rollout next, std::vector<Arm> arms,
                              const Move& move, const events::Actor& actor) {
    PlanChange change;
    change.endpoint = next.endpoint;
    change.arms = std::move(arms);
    change.actor = actor;
    change.why = "rollout " + next.id + ": " + move.decision + ": " + next.reason;
    change.expected_epoch = entry.rollout.epoch;
    const EvidencePtr evidence = entry.evidence;
    change.also = [&](storage::Transaction& transaction, const Plan& plan) -> Status {
      next.epoch = plan.epoch;
      return Write(transaction, next, *evidence, move, actor);
    };
    TRY(endpoints.Apply(std::move(change)));
    return Keep(next, move);
  }

  Result<Rollout> MoveState(const Active& entry, const Rollout& next, const Move& move,
                            const events::Actor& actor) {
    TRY(database.Write([&](storage::Transaction& transaction) {
      return Write(transaction, next, *entry.evidence, move, actor);
    }));
    return Keep(next, move);
  }

  Result<Rollout> End(const Active& entry, const Move& move, int64_t version,
                      const std::string& why, const events::Actor& actor) {
    Rollout next = Judged(entry);
    Note(next, move, why, clock.Now());
    const auto served = endpoints.Find(next.endpoint);
    std::vector<Arm> arms = ArmsOf(next, version, 0, served ? &served->plan : nullptr);
    return MoveTraffic(entry, std::move(next), std::move(arms), move, actor);
  }

  Result<Rollout> Advance(const Active& entry, const std::string& why, base::Micros now) {
    const Move move{RolloutState::kRunning, "advance", "rollout.step"};
    Rollout next = Judged(entry);
    ++next.step;
    next.step_started = now;
    Note(next, move, why, now);
    const auto served = endpoints.Find(next.endpoint);
    std::vector<Arm> arms =
        ArmsOf(next, next.from_version, WeightNow(next), served ? &served->plan : nullptr);
    return MoveTraffic(entry, std::move(next), std::move(arms), move, events::Internal("rollout"));
  }

  // Somebody else moved the endpoint: their plan holds, the rollout is over.
  Status Yield(const Active& entry, int64_t epoch, base::Micros now) {
    const Move move{RolloutState::kAborted, "abort", "rollout.aborted"};
    Rollout next = Judged(entry);
    Note(next, move,
         "the endpoint's plan was changed past this rollout (plan " + std::to_string(epoch) + ")",
         now);
    TRY(MoveState(entry, next, move, events::Internal("rollout")));
    return Status::Ok();
  }

  Status TickOne(const Active& entry, base::Micros now) {
    const auto served = endpoints.Find(entry.rollout.endpoint);
    if (served != nullptr && served->plan.epoch != entry.rollout.epoch)
      return Yield(entry, served->plan.epoch, now);
    const Rollout judged = Judged(entry);
    const RolloutDecision decision =
        Decide(judged, {settings.required, settings.max_duration.micros}, now,
               entry.evidence->steps.back()->candidate_answers());
    switch (decision.kind) {
      case Kind::kStay:
        return Checkpoint(entry.rollout.endpoint, decision.why);
      case Kind::kAdvance:
        return Advance(entry, decision.why, now).status();
      case Kind::kPromote:
        return End(entry, {RolloutState::kPromoted, "promote", "rollout.promoted"},
                   judged.to_version, decision.why, events::Internal("rollout"))
            .status();
      case Kind::kRollBack:
        return End(entry, {RolloutState::kRolledBack, "roll_back", "rollout.rolled_back"},
                   judged.from_version, decision.why, events::Internal("rollout"))
            .status();
      case Kind::kPause:
        break;
    }
    return PauseOne(entry, decision.why, events::Internal("rollout")).status();
  }

  Result<Rollout> PauseOne(const Active& entry, const std::string& why, const events::Actor& by) {
    const Move move{RolloutState::kPaused, "pause", "rollout.paused"};
    Rollout next = Judged(entry);
    Note(next, move, why, clock.Now());
    return MoveState(entry, next, move, by);
  }

  // Keeps what the rollout waits for, and its evidence when it is time.
  Status Checkpoint(const std::string& endpoint, const std::string& why) {
    Active& entry = active.at(endpoint);
    entry.rollout.reason = why;
    if (base::MonotonicNanos() - entry.saved_ns < settings.checkpoint.micros * 1000)
      return Status::Ok();
    return SaveActive(entry);
  }

  Status SaveActive(Active& entry) {
    TRY(database.Write([&](storage::Transaction& transaction) -> Status {
      TRY(SaveRollout(transaction, Judged(entry)));
      return SaveEvidence(transaction, entry.rollout.id, clock.Now(),
                          entry.evidence->Save(analyses));
    }));
    entry.saved_ns = base::MonotonicNanos();
    return Status::Ok();
  }

  Status CheckBegin(const StartRollout& request, const ServedEndpoint* served) const {
    if (served == nullptr)
      return base::NotFound("endpoint_not_found",
                            "there is no endpoint \"" + request.endpoint + "\"");
    const auto running = active.find(request.endpoint);
    if (running != active.end())
      return base::FailedPrecondition(
          "rollout_active", "rollout " + running->second.rollout.id + " of endpoint \"" +
                                request.endpoint + "\" is still " +
                                std::string(RolloutStateName(running->second.rollout.state)));
    if (FindArm(served->plan, kCandidate) != nullptr)
      return base::FailedPrecondition(
          "plan_has_candidate",
          "endpoint \"" + request.endpoint + "\" already has a candidate in its plan");
    if (FindArm(served->plan, kStable)->version == request.to_version)
      return base::FailedPrecondition("already_stable",
                                      "version " + std::to_string(request.to_version) +
                                          " already answers all of \"" + request.endpoint + "\"");
    return Status::Ok();
  }

  Result<Active*> FindActive(const std::string& id) {
    for (auto& [endpoint, entry] : active) {
      if (entry.rollout.id == id) return &entry;
    }
    std::optional<Rollout> ended;
    TRY(database.Read([&](storage::Transaction& transaction) -> Status {
      ended = TRY(ReadRollout(transaction, id));
      return Status::Ok();
    }));
    if (ended) return Ended(*ended);
    return base::NotFound("rollout_not_found", "there is no rollout \"" + id + "\"");
  }
};

Rollouts::Rollouts(storage::Database& database, events::EventLog& events, base::Clock& clock,
                   base::Metrics& metrics, Endpoints& endpoints,
                   std::vector<std::unique_ptr<Analysis>> analyses, RolloutSettings settings)
    : state_(std::make_unique<State>(database, events, clock, metrics, endpoints,
                                     std::move(analyses), std::move(settings))) {}
Rollouts::~Rollouts() = default;

Status Rollouts::Start() {
  State& state = *state_;
  std::lock_guard lock(state.mutex);
  state.default_steps = TRY(ParseSteps(state.settings.steps));
  for (const std::string& name : state.settings.required) {
    if (std::none_of(state.analyses.begin(), state.analyses.end(),
                     [&](const auto& row) { return row->name() == name; })) {
      return base::InvalidArgument("rollout.required", "\"" + name + "\" is no metric of rollouts");
    }
  }
  TRY(state.database.Read([&](storage::Transaction& transaction) -> Status {
    for (Rollout& rollout : TRY(ReadActiveRollouts(transaction))) {
      const std::optional<Json> saved = TRY(ReadEvidence(transaction, rollout.id));
      Active entry;
      auto evidence = Evidence::Restore(state.analyses, saved.value_or(Json()));
      const bool usable = evidence.ok() && evidence->OfEpoch(rollout.epoch) != nullptr;
      entry.evidence = std::make_shared<Evidence>(
          evidence.ok() ? std::move(evidence).value()
                        : Evidence{rollout.from_version, rollout.to_version, {}});
      entry.rollout = std::move(rollout);
      if (!usable) state.AddStep(entry);
      state.active[entry.rollout.endpoint] = std::move(entry);
    }
    return Status::Ok();
  }));
  state.PublishLive();
  return Status::Ok();
}

void Rollouts::Stop() {
  std::lock_guard lock(state_->mutex);
  for (auto& [endpoint, entry] : state_->active) {
    const Status saved = state_->SaveActive(entry);
    if (!saved.ok())
      base::Log(base::LogLevel::kWarning, "traffic", "evidence not saved: " + saved.ToString());
  }
}

Result<Rollout> Rollouts::Begin(const StartRollout& request) {
  State& state = *state_;
  std::lock_guard lock(state.mutex);
  const auto served = state.endpoints.Find(request.endpoint);
  TRY(state.CheckBegin(request, served.get()));
  const Arm& stable = *FindArm(served->plan, kStable);
  const base::Micros now = state.clock.Now();
  const Move move{RolloutState::kRunning, "start", "rollout.started"};
  Rollout next;
  next.id = base::NewUlid(now);
  next.endpoint = request.endpoint;
  next.model = stable.model;
  next.from_version = stable.version;
  next.to_version = request.to_version;
  next.steps = request.steps.value_or(state.default_steps);
  if (next.steps.empty() || next.steps.size() > kMaxRolloutSteps) {
    return base::InvalidArgument("steps",
                                 "expected 1 to " + std::to_string(kMaxRolloutSteps) + " steps");
  }
  next.started = next.step_started = now;
  state.Note(next, move, request.reason.empty() ? "asked for" : request.reason, now);

  Active entry;
  entry.rollout = next;
  entry.rollout.epoch = served->plan.epoch;  // what the change must find
  entry.evidence = std::make_shared<Evidence>(Evidence{next.from_version, next.to_version, {}});
  const auto [place, added] = state.active.insert({next.endpoint, entry});
  auto begun = state.MoveTraffic(entry, next,
                                 ArmsOf(next, next.from_version, WeightNow(next), &served->plan),
                                 move, request.actor);
  if (!begun.ok()) state.active.erase(place);
  return begun;
}

Status Rollouts::Tick(base::Micros now) {
  std::lock_guard lock(state_->mutex);
  std::vector<std::string> endpoints;
  for (const auto& [endpoint, entry] : state_->active) endpoints.push_back(endpoint);
  Status first;
  for (const std::string& endpoint : endpoints) {
    const Active entry = state_->active.at(endpoint);
    Status status = state_->TickOne(entry, now);
    if (!status.ok() && first.ok())
      first = std::move(status).Annotate("rollout of endpoint \"" + endpoint + "\"");
  }
  return first;
}

Result<Rollout> Rollouts::Abort(const std::string& id, const events::Actor& actor,
                                const std::string& reason) {
  std::lock_guard lock(state_->mutex);
  const Active entry = *TRY(state_->FindActive(id));
  return state_->End(entry, {RolloutState::kAborted, "abort", "rollout.aborted"},
                     entry.rollout.from_version,
                     reason.empty() ? "asked for by " + actor.name : reason, actor);
}

Result<Rollout> Rollouts::Pause(const std::string& id, const events::Actor& actor,
                                const std::string& reason) {
  std::lock_guard lock(state_->mutex);
  const Active entry = *TRY(state_->FindActive(id));
  if (entry.rollout.state == RolloutState::kPaused) return entry.rollout;
  return state_->PauseOne(entry, reason, actor);
}

Result<Rollout> Rollouts::Promote(const std::string& id, const events::Actor& actor,
                                  const std::string& reason) {
  if (reason.empty()) {
    return base::InvalidArgument(
        "reason", "promoting past the analysis needs a reason, which is kept in the event");
  }
  std::lock_guard lock(state_->mutex);
  const Active entry = *TRY(state_->FindActive(id));
  return state_->End(entry, {RolloutState::kPromoted, "promote", "rollout.promoted", true},
                     entry.rollout.to_version, "forced by " + actor.name + ": " + reason, actor);
}

Result<std::vector<Rollout>> Rollouts::List(const std::string& endpoint, int64_t limit) {
  std::vector<Rollout> rollouts;
  TRY(state_->database.Read([&](storage::Transaction& transaction) -> Status {
    rollouts = TRY(ReadRollouts(transaction, endpoint, std::clamp<int64_t>(limit, 1, kMaxListed)));
    return Status::Ok();
  }));
  std::lock_guard lock(state_->mutex);
  for (Rollout& rollout : rollouts) {
    const auto live = state_->active.find(rollout.endpoint);
    if (live != state_->active.end() && live->second.rollout.id == rollout.id)
      rollout = state_->Judged(live->second);
  }
  return rollouts;
}

Result<Rollout> Rollouts::Get(const std::string& id) {
  {
    std::lock_guard lock(state_->mutex);
    for (const auto& [endpoint, entry] : state_->active) {
      if (entry.rollout.id == id) return state_->Judged(entry);
    }
  }
  std::optional<Rollout> rollout;
  TRY(state_->database.Read([&](storage::Transaction& transaction) -> Status {
    rollout = TRY(ReadRollout(transaction, id));
    return Status::Ok();
  }));
  if (!rollout) return base::NotFound("rollout_not_found", "there is no rollout \"" + id + "\"");
  return *rollout;
}

void Rollouts::Observe(std::string_view endpoint, int64_t epoch, std::string_view arm,
                       std::string_view key, bool failed, int64_t total_ns) {
  if (state_->live_count.load(std::memory_order_relaxed) == 0) return;
  if (arm != kStable && arm != kCandidate) return;
  const auto live = state_->live.Get();
  const auto found = live->find(endpoint);
  if (found == live->end()) return;
  StepEvidence* step = found->second->OfEpoch(epoch);
  if (step == nullptr) return;
  Outcome outcome;
  outcome.failed = failed;
  outcome.total_ns = total_ns;
  step->Add(state_->analyses, arm == kCandidate ? Side::kOfCandidate : Side::kOfStable,
            JudgeBucket(key), outcome);
}

void Rollouts::ObserveLoss(std::string_view endpoint, int64_t version, std::string_view key,
                           base::Micros predicted, double loss) {
  if (state_->live_count.load(std::memory_order_relaxed) == 0) return;
  const auto live = state_->live.Get();
  const auto found = live->find(endpoint);
  if (found == live->end()) return;
  const Evidence& evidence = *found->second;
  if (version != evidence.from_version && version != evidence.to_version) return;
  StepEvidence* step = evidence.OfTime(predicted);
  if (step == nullptr) return;
  Outcome outcome;
  outcome.kind = Outcome::Kind::kLabel;
  outcome.loss = loss;
  step->Add(state_->analyses, version == evidence.to_version ? Side::kOfCandidate : Side::kOfStable,
            JudgeBucket(key), outcome);
}

}  // namespace slipway::traffic
