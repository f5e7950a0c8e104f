// SPDX-License-Identifier: Apache-2.0
// The loop: from an event to what the policy does about it.
#include "lifecycle/lifecycle.h"

#include <algorithm>
#include <mutex>

#include "base/log.h"

namespace slipway::lifecycle {
namespace {

using base::Json;
using registry::Stage;
using registry::Version;

constexpr int64_t kEventsPerTick = 200;

struct Subject {
  std::string name;  // of the model or the endpoint
  int64_t version = 0;
};

// "model/<name>/version/<number>", "endpoint/<name>/version/<number>"
std::optional<Subject> ParseSubject(const std::string& subject) {
  constexpr std::string_view kVersion = "/version/";
  const size_t name = subject.find('/');
  const size_t version = subject.rfind(kVersion);
  if (name == std::string::npos || version == std::string::npos || version <= name)
    return std::nullopt;
  return Subject{subject.substr(name + 1, version - name - 1),
                 std::atoll(subject.c_str() + version + kVersion.size())};
}

std::string TextOf(const Json& data, std::string_view key) {
  const Json* value = data.Find(key);
  return value != nullptr && value->is_string() ? value->AsString() : std::string();
}

std::string OutputOf(const pipelines::RunRecord& run, const std::string& key) {
  for (const auto& [step, outputs] : run.outputs) {
    if (const auto found = outputs.find(key); found != outputs.end()) return found->second;
  }
  return {};
}

}  // namespace

struct Lifecycle::State {
  State(Parts the_parts, LifecycleSettings the_settings)
      : parts(the_parts),
        settings(std::move(the_settings)),
        reader(parts.events, parts.database, "lifecycle") {}

  const Policy& PolicyOf(const std::string& model) const {
    static const Policy defaults;
    if (const auto own = policies.find(model); own != policies.end()) return own->second;
    const auto all = policies.find("*");
    return all == policies.end() ? defaults : all->second;
  }

  base::Status Handle(const events::Event& event);
  base::Status OnWindowJudged(const events::Event& event);
  base::Status OnAlert(const events::Event& event);
  base::Result<traffic::Plan> RollBack(const std::string& endpoint, const std::string& reason,
                                       const events::Actor& actor);
  base::Status Act(const AlertAction& action, const std::string& endpoint,
                   const events::Event& alert);
  base::Status OnRunFinished(const events::Event& event);
  base::Status OnStageChanged(const events::Event& event);
  base::Status OnRolloutEnded(const events::Event& event, bool promoted);

  base::Status Judge(const std::string& model, int64_t candidate, const std::string& trigger);
  base::Status Crown(const Contest& contest, int64_t candidate, const base::Status& staged,
                     const std::string& trigger);
  base::Result<std::vector<int64_t>> Challengers(const std::string& model, int64_t candidate);
  base::Status Decide(const Contest& contest, int64_t candidate, const std::string& kind,
                      int64_t winner, const std::string& summary, const std::string& trigger);
  base::Status Serve(const Version& version, const std::string& why);
  base::Status Hold(const Version& version);
  base::Status MoveTo(const std::string& model, int64_t version, Stage to, bool force,
                      const std::string& reason, const events::Actor& actor);

  Parts parts;
  const LifecycleSettings settings;
  std::map<std::string, Policy> policies;
  events::EventReader reader;
  std::mutex ticking;  // one tick at a time
};

base::Status Lifecycle::State::Handle(const events::Event& event) {
  base::Status status;
  if (event.type == "window.judged") status = OnWindowJudged(event);
  if (event.type == "pipeline.run_finished") status = OnRunFinished(event);
  if (event.type == "version.stage_changed") status = OnStageChanged(event);
  if (event.type == "alert.firing") status = OnAlert(event);
  if (event.type == "rollout.promoted") status = OnRolloutEnded(event, true);
  if (event.type == "rollout.rolled_back" || event.type == "rollout.aborted")
    status = OnRolloutEnded(event, false);
  // An event that cannot be acted on must not stop those behind it: what could not be done is said
  // and left to a person.
  if (!status.ok()) {
    base::Log(base::LogLevel::kError, "lifecycle", "could not act on an event",
              {{"event", event.sequence},
               {"type", event.type},
               {"subject", event.subject},
               {"error", status.ToString()}});
  }
  return base::Status::Ok();
}

// A rule that a window broke starts the pipelines that name it: also while its incident goes on
// from window to window, because a candidate that was refused on one window may win on the next.
// Only production's windows count.
base::Status Lifecycle::State::OnWindowJudged(const events::Event& event) {
  const Json* breached = event.data.Find("breached");
  const auto subject = ParseSubject(event.subject);
  if (breached == nullptr || !breached->is_array() || !subject) return base::Status::Ok();
  const auto production = TRY(parts.registry.InStage(subject->name, Stage::kProduction));
  if (!production || production->number != subject->version) return base::Status::Ok();
  for (const Json& rule : breached->AsArray()) {
    if (rule.is_string()) parts.pipelines.OnAlert(rule.AsString(), event.data, {});
  }
  return base::Status::Ok();
}

// A silenced alert is somebody's own doing: it starts nothing.
base::Status Lifecycle::State::OnAlert(const events::Event& event) {
  const auto subject = ParseSubject(event.subject);
  if (!subject || !TextOf(event.data, "silenced_by").empty()) return base::Status::Ok();
  const std::string rule = TextOf(event.data, "rule");
  for (const AlertAction& action : PolicyOf(subject->name).on_alert) {
    if (action.rule != "*" && action.rule != rule) continue;
    const base::Micros now = parts.clock.Now();
    const std::vector<events::Event> acted =
        TRY(parts.events.List({.type_prefix = "policy.acted",
                               .subject_prefix = "endpoint/" + subject->name + "/",
                               .since = now - base::kDay,
                               .limit = 1000,
                               .newest_first = true}));
    const std::string held = HeldBack(action, TextOf(event.data, "id"), acted, now);
    const base::Status done = held.empty() ? Act(action, subject->name, event) : base::Status::Ok();
    Json data = ToJson(action);
    data.Set("alert", TextOf(event.data, "id"));
    data.Set("summary", !held.empty() ? held : done.ok() ? "done" : done.ToString());
    TRY(parts.database.Write([&](storage::Transaction& transaction) {
      events::Event fact;
      fact.type = held.empty() ? "policy.acted" : "policy.held_back";
      fact.subject = "endpoint/" + subject->name + "/alert/" + rule;
      fact.actor = events::Internal("policy/on_alert");
      fact.data = data;
      return parts.events.Append(transaction, std::move(fact));
    }));
  }
  return base::Status::Ok();
}

base::Status Lifecycle::State::Act(const AlertAction& action, const std::string& endpoint,
                                   const events::Event& alert) {
  const events::Actor actor = events::Internal("policy/on_alert");
  const std::string why =
      "alert " + TextOf(alert.data, "rule") + ": " + TextOf(alert.data, "summary");
  if (action.what == "retrain") {
    pipelines::TriggerRequest request;
    request.pipeline = action.pipeline;
    request.trigger = Json::MakeObject(
        {{"kind", "alert"}, {"rule", TextOf(alert.data, "rule")}, {"alert", alert.data}});
    request.actor = actor;
    return parts.pipelines.Trigger(request).status();
  }
  for (const traffic::Rollout& rollout : TRY(parts.rollouts.List(endpoint, 10))) {
    if (!rollout.active()) continue;
    return action.what == "pause_rollout" ? parts.rollouts.Pause(rollout.id, actor, why).status()
                                          : parts.rollouts.Abort(rollout.id, actor, why).status();
  }
  if (action.what == "pause_rollout")
    return base::FailedPrecondition("no_rollout", "no rollout is under way");
  const auto subject = ParseSubject(alert.subject);
  const auto served = parts.endpoints.Find(endpoint);
  const bool stable = served != nullptr && !served->plan.arms.empty() && subject &&
                      (subject->version == 0 || served->plan.arms[0].version == subject->version);
  if (!stable)
    return base::FailedPrecondition("not_stable", "the alert is not about the stable version");
  return RollBack(endpoint, why, actor).status();
}

base::Status Lifecycle::State::OnRunFinished(const events::Event& event) {
  if (TextOf(event.data, "state") != "succeeded") return base::Status::Ok();
  const auto run = TRY(parts.pipelines.Run(TextOf(event.data, "run")));
  const std::string model = OutputOf(run, "model");
  const std::string version = OutputOf(run, "version");
  if (model.empty() || version.empty())
    return base::Status::Ok();  // a pipeline that registers nothing
  if (!PolicyOf(model).stage_candidates) return base::Status::Ok();
  return Judge(model, std::atoll(version.c_str()), "pipeline " + run.pipeline + " run " + run.id);
}

base::Result<std::vector<int64_t>> Lifecycle::State::Challengers(const std::string& model,
                                                                 int64_t candidate) {
  std::vector<int64_t> challengers = {candidate};
  auto versions = TRY(parts.registry.ListVersions(model));
  std::reverse(versions.begin(), versions.end());
  for (const Version& version : versions) {
    if (static_cast<int64_t>(challengers.size()) > settings.contest.archived) break;
    if (version.stage == Stage::kArchived && version.number != candidate)
      challengers.push_back(version.number);
  }
  return challengers;
}

base::Status Lifecycle::State::Decide(const Contest& contest, int64_t candidate,
                                      const std::string& kind, int64_t winner,
                                      const std::string& summary, const std::string& trigger) {
  const Competitor* judged = contest.Find(winner == 0 ? candidate : winner);
  auto number = [judged](std::optional<double> Competitor::* member) {
    return judged != nullptr && judged->*member ? Json(*(judged->*member)) : Json();
  };
  Json data = ToJson(contest);
  data.Set("model", contest.model)
      .Set("kind", kind)
      .Set("trigger", trigger)
      .Set("candidate", candidate)
      .Set("winner", winner == 0 ? Json() : Json(winner))
      .Set("summary", summary)
      .Set("difference", number(&Competitor::difference))
      .Set("lower", number(&Competitor::lower))
      .Set("upper", number(&Competitor::upper))
      .Set("margin", settings.contest.margin);
  return parts.database.Write([&](storage::Transaction& transaction) {
    events::Event event;
    event.type = "policy.decided";
    event.subject = "model/" + contest.model + "/version/" + std::to_string(candidate);
    event.actor = events::Internal("policy/candidates");
    event.data = std::move(data);
    return parts.events.Append(transaction, std::move(event));
  });
}

// The candidate against production and against archived versions: an old regime may have come back.
base::Status Lifecycle::State::Judge(const std::string& model, int64_t candidate,
                                     const std::string& trigger) {
  const events::Actor actor = events::Internal("policy/candidates");
  const Version version = TRY(parts.registry.GetVersion(model, candidate));
  if (version.stage != Stage::kNone) return base::Status::Ok();  // judged before
  const auto contest = parts.contests.Hold(model, TRY(Challengers(model, candidate)));
  const bool nobody_to_compare_with =
      contest.status().reason() == "no_production" || contest.status().reason() == "too_few_labels";
  if (!contest.ok() && !nobody_to_compare_with) return contest.status();
  // The gates judge the candidate for itself and keep their verdicts, whoever wins.
  const base::Status staged = MoveTo(model, candidate, Stage::kStaging, false, trigger, actor);
  if (contest.ok()) return Crown(*contest, candidate, staged, trigger);
  const std::string summary = staged.ok()
                                  ? "staged; nothing to compare with: " + contest.status().message()
                                  : staged.message();
  return Decide({.model = model, .competitors = {}}, candidate, staged.ok() ? "staged" : "refused",
                0, summary, trigger);
}

// The best of those that beat production goes to staging and is rolled out.
base::Status Lifecycle::State::Crown(const Contest& contest, int64_t candidate,
                                     const base::Status& staged, const std::string& trigger) {
  const events::Actor actor = events::Internal("policy/candidates");
  const Competitor* best = nullptr;
  for (const Competitor& one : contest.competitors) {
    const bool may = one.better && (one.version != candidate || staged.ok());
    if (may && (best == nullptr || one.auc > best->auc)) best = &one;
  }
  if (best == nullptr) return Decide(contest, candidate, "refused", 0, staged.message(), trigger);
  if (best->version == candidate) {
    TRY(Decide(contest, candidate, "staged", candidate, "the candidate beats production", trigger));
  } else {
    TRY(MoveTo(contest.model, best->version, Stage::kStaging, false, trigger, actor));
    TRY(Decide(
        contest, candidate, "archived_wins", best->version,
        "archived version " + std::to_string(best->version) + " beats production and the candidate",
        trigger));
  }
  if (!PolicyOf(contest.model).rollout) return base::Status::Ok();
  const auto rollout = parts.rollouts.Begin({.endpoint = contest.model,
                                             .to_version = best->version,
                                             .steps = std::nullopt,
                                             .reason = trigger,
                                             .actor = actor});
  return rollout.ok() ? base::Status::Ok() : rollout.status();
}

base::Status Lifecycle::State::MoveTo(const std::string& model, int64_t version, Stage to,
                                      bool force, const std::string& reason,
                                      const events::Actor& actor) {
  registry::TransitionRequest request;
  request.model = model;
  request.version = version;
  request.to = to;
  request.force = force;
  request.reason = reason;
  request.actor = actor;
  const auto outcome = parts.registry.Transition(request);
  return outcome.ok() ? base::Status::Ok() : outcome.status();
}

base::Status Lifecycle::State::OnStageChanged(const events::Event& event) {
  if (TextOf(event.data, "to") != StageName(Stage::kProduction)) return base::Status::Ok();
  const auto subject = ParseSubject(event.subject);
  if (!subject) return base::Status::Ok();
  const auto production = TRY(parts.registry.InStage(subject->name, Stage::kProduction));
  if (!production || production->number != subject->version)
    return base::Status::Ok();  // moved on since
  TRY(Hold(*production));
  return Serve(*production, "version " + std::to_string(production->number) + " is in production");
}

// All of the endpoint's traffic to this version, unless it has it already.
base::Status Lifecycle::State::Serve(const Version& version, const std::string& why) {
  const auto served = parts.endpoints.Find(version.model);
  if (served != nullptr && served->plan.arms.size() == 1 &&
      served->plan.arms[0].version == version.number) {
    return base::Status::Ok();
  }
  for (const traffic::Rollout& rollout : TRY(parts.rollouts.List(version.model, 10))) {
    if (!rollout.active()) continue;
    if (rollout.to_version == version.number) return base::Status::Ok();  // on its way there
    const auto aborted = parts.rollouts.Abort(rollout.id, events::Internal("lifecycle"), why);
    if (!aborted.ok()) return aborted.status();
  }
  const auto plan = parts.endpoints.Apply(
      version.model, {{std::string(traffic::kStable), version.model, version.number, 1.0}},
      events::Internal("lifecycle"), why);
  return plan.ok() ? base::Status::Ok() : plan.status();
}

// What monitoring holds the version to: what it achieved in its contest, else the metric of its
// run.
base::Status Lifecycle::State::Hold(const Version& version) {
  for (const registry::Verdict& verdict :
       TRY(parts.registry.RecordedVerdicts(version.model, version.number))) {
    const Json* competitors =
        verdict.gate == "better_than_production" ? verdict.evidence.Find("competitors") : nullptr;
    if (competitors == nullptr || !competitors->is_array()) continue;
    for (const Json& one : competitors->AsArray()) {
      if (TRY(base::RequireInt(one, "version")) != version.number) continue;
      return parts.monitor.SetReference(version.model, version.number, "auc",
                                        TRY(base::RequireDouble(one, "auc")));
    }
  }
  const Json* metrics = version.metadata.Find("metrics");
  const Json* metric =
      metrics == nullptr ? nullptr : metrics->Find(PolicyOf(version.model).reference_metric);
  if (metric == nullptr || !metric->is_number()) return base::Status::Ok();
  return parts.monitor.SetReference(version.model, version.number, "auc", metric->AsDouble());
}

base::Status Lifecycle::State::OnRolloutEnded(const events::Event& event, bool promoted) {
  const traffic::Rollout rollout = TRY(parts.rollouts.Get(TextOf(event.data, "id")));
  const Version version = TRY(parts.registry.GetVersion(rollout.model, rollout.to_version));
  const events::Actor actor = events::Internal("rollout");
  if (!promoted) {
    if (version.stage == Stage::kProduction || version.stage == Stage::kArchived)
      return base::Status::Ok();
    return MoveTo(rollout.model, rollout.to_version, Stage::kArchived, false, rollout.reason,
                  actor);
  }
  if (version.stage == Stage::kProduction) return base::Status::Ok();
  const base::Status moved =
      MoveTo(rollout.model, rollout.to_version, Stage::kProduction, false, rollout.reason, actor);
  if (moved.ok() || moved.reason() != "gate_failed") return moved;
  // It was let into staging past a gate by a person, and live traffic has since judged in its
  // favour.
  return MoveTo(rollout.model, rollout.to_version, Stage::kProduction, true,
                "rollout " + rollout.id +
                    " was promoted; its version had been forced past a gate: " + moved.message(),
                actor);
}

Lifecycle::Lifecycle(Parts parts, LifecycleSettings settings)
    : state_(std::make_unique<State>(parts, std::move(settings))) {}
Lifecycle::~Lifecycle() = default;

base::Status Lifecycle::Start() {
  state_->policies = TRY(ParsePolicies(state_->settings.policies));
  return base::Status::Ok();
}

base::Result<bool> Lifecycle::Tick() {
  const std::lock_guard lock(state_->ticking);
  const int64_t handled = TRY(state_->reader.ProcessBatch(
      [this](const events::Event& event) { return state_->Handle(event); }, kEventsPerTick));
  return handled > 0;
}

base::Result<std::optional<traffic::Rollout>> Lifecycle::Promote(const PromoteRequest& request) {
  if (request.force && request.reason.empty()) {
    return base::InvalidArgument("reason", "a forced promotion needs a reason");
  }
  const Version version = TRY(state_->parts.registry.GetVersion(request.model, request.version));
  const std::string reason =
      request.reason.empty() ? "promoted by " + request.actor.name : request.reason;
  if (version.stage == Stage::kProduction) {
    return base::FailedPrecondition("already_in_production", request.model + " version " +
                                                                 std::to_string(request.version) +
                                                                 " is in production already");
  }
  if (version.stage != Stage::kStaging) {
    TRY(state_->MoveTo(request.model, request.version, Stage::kStaging, request.force, reason,
                       request.actor));
  }
  if (state_->parts.endpoints.Find(request.model) == nullptr) {
    TRY(state_->MoveTo(request.model, request.version, Stage::kProduction, request.force, reason,
                       request.actor));
    TRY(state_->Serve(TRY(state_->parts.registry.GetVersion(request.model, request.version)),
                      reason));
    return std::optional<traffic::Rollout>();
  }
  return std::optional<traffic::Rollout>(
      TRY(state_->parts.rollouts.Begin({.endpoint = request.model,
                                        .to_version = request.version,
                                        .steps = std::nullopt,
                                        .reason = reason,
                                        .actor = request.actor})));
}

// The version before answers again.
base::Result<traffic::Plan> Lifecycle::State::RollBack(const std::string& endpoint,
                                                       const std::string& reason,
                                                       const events::Actor& actor) {
  // Traffic first: callers must not wait for the registry's gates and writes.
  const traffic::Plan plan = TRY(parts.endpoints.Rollback(endpoint, actor, reason));
  const traffic::Arm& stable = plan.arms.at(0);
  const base::Status moved =
      MoveTo(stable.model, stable.version, Stage::kProduction, true, "rollback: " + reason, actor);
  if (!moved.ok()) {
    base::Log(base::LogLevel::kError, "lifecycle",
              "traffic was rolled back, the stage could not follow",
              {{"endpoint", endpoint}, {"version", stable.version}, {"error", moved.ToString()}});
  }
  return plan;
}

base::Result<traffic::Plan> Lifecycle::Rollback(const std::string& endpoint,
                                                const std::string& reason,
                                                const events::Actor& actor) {
  for (const traffic::Rollout& rollout : TRY(state_->parts.rollouts.List(endpoint, 10))) {
    if (!rollout.active()) continue;
    TRY(state_->parts.rollouts.Abort(rollout.id, actor, reason));
    return state_->parts.endpoints.Find(endpoint)->plan;
  }
  return state_->RollBack(endpoint, reason, actor);
}

base::Json Lifecycle::PoliciesJson() const {
  Json policies = Json::MakeArray();
  for (const auto& [model, policy] : state_->policies) {
    Json json = ToJson(policy);
    json.Set("model", model);
    policies.Append(std::move(json));
  }
  return policies;
}

}  // namespace slipway::lifecycle
