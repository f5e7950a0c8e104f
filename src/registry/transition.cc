// SPDX-License-Identifier: Apache-2.0
// A version's walk, from stage to stage: the gates judge outside the transaction, then one
// transaction checks that nothing has changed since, moves the version, archives the former one and
// writes verdicts and event.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/status.h"
#include "registry/records.h"
#include "registry/registry.h"
#include "registry/state.h"
#include "storage/database.h"

namespace slipway::registry {
namespace {

constexpr int kMostTries = 3;  // another replica may change the stage while gates run

bool IsGuarded(Stage stage) { return stage == Stage::kStaging || stage == Stage::kProduction; }

base::Json Summary(const std::vector<Verdict>& verdicts) {
  base::Json json = base::Json::MakeArray();
  for (const Verdict& verdict : verdicts) {
    json.Append(base::Json::MakeObject({{"gate", verdict.gate},
                                        {"outcome", OutcomeName(verdict.outcome)},
                                        {"overridden", verdict.overridden},
                                        {"summary", verdict.summary}}));
  }
  return json;
}

bool AnyFailed(const std::vector<Verdict>& verdicts) {
  return std::ranges::any_of(verdicts, [](const Verdict& verdict) {
    return verdict.outcome == Outcome::kFail && !verdict.overridden;
  });
}

base::Json ChangeData(Stage from, const TransitionRequest& request,
                      const std::vector<Verdict>& verdicts) {
  return base::Json::MakeObject({{"from", StageName(from)},
                                 {"to", StageName(request.to)},
                                 {"forced", request.force},
                                 {"reason", request.reason},
                                 {"verdicts", Summary(verdicts)}});
}

}  // namespace

std::string_view OutcomeName(Outcome outcome) {
  switch (outcome) {
    case Outcome::kPass:
      return "pass";
    case Outcome::kFail:
      return "fail";
    case Outcome::kNotRun:
      return "not_run";
  }
  return "not_run";
}

base::Json ToJson(const Verdict& verdict) {
  return base::Json::MakeObject({{"gate", verdict.gate},
                                 {"outcome", OutcomeName(verdict.outcome)},
                                 {"summary", verdict.summary},
                                 {"evidence", verdict.evidence},
                                 {"took_ms", static_cast<double>(verdict.took) / 1000.0},
                                 {"overridden", verdict.overridden}});
}

base::Result<Version> Registry::State::LoadForGates(const std::string& model, int64_t number,
                                                    std::optional<Version>& production) {
  Version version;
  TRY(database.Read([&](storage::Transaction& transaction) -> base::Status {
    TRY(LoadModel(transaction, model));
    version = TRY(LoadVersion(transaction, model, number));
    const std::optional<int64_t> in_production =
        TRY(NumberInStage(transaction, model, Stage::kProduction));
    production.reset();
    if (in_production) production = TRY(LoadVersion(transaction, model, *in_production));
    return {};
  }));
  if (version.metadata_frozen || metadata_source == nullptr) return version;
  base::Result<base::Json> metadata = metadata_source->MetadataOf(version.run_id, version.model_id);
  if (metadata.ok()) {
    version.metadata = *metadata;
  } else if (metadata.status().code() != base::Code::kNotFound) {
    return std::move(metadata).TakeStatus().Annotate("read the metadata of run '" + version.run_id +
                                                     "'");
  }
  return version;
}

base::Result<std::vector<Verdict>> Registry::State::CheckGates(
    const KeptPolicy& policy, const Version& version, Stage to,
    const std::optional<Version>& production, const Progress& progress) {
  std::vector<std::pair<Gate*, base::Json>> guards;
  for (const std::unique_ptr<Gate>& gate : gates) {
    std::optional<base::Json> options = policy.policy.OptionsOf(*gate, version.model, to);
    if (options) guards.emplace_back(gate.get(), std::move(*options));
  }
  const auto total = static_cast<int64_t>(guards.size());
  std::vector<Verdict> verdicts;
  for (auto& [gate, options] : guards) {
    const auto done = static_cast<int64_t>(verdicts.size());
    if (progress) TRY(progress(std::string(gate->name()), done, total, nullptr));
    const int64_t started = base::MonotonicNanos();
    Verdict verdict = gate->Check({version, to, production, std::move(options), &policy.policy});
    verdict.gate = gate->name();
    verdict.took = (base::MonotonicNanos() - started) / 1000;
    verdicts.push_back(std::move(verdict));
    if (progress) TRY(progress(std::string(gate->name()), done + 1, total, &verdicts.back()));
  }
  if (!AnyFailed(verdicts)) return verdicts;
  std::vector<Word> words;
  TRY(database.Read([&](storage::Transaction& transaction) -> base::Status {
    words = TRY(LoadWords(transaction, version.model, version.number));
    return {};
  }));
  SetAside(policy.policy, words, to, verdicts);
  return verdicts;
}

base::Result<std::vector<Verdict>> Registry::RunGates(const std::string& model, int64_t number,
                                                      Stage to) {
  std::optional<Version> production;
  const Version version = TRY(state_->LoadForGates(model, number, production));
  return state_->CheckGates(*TRY(state_->CurrentPolicy()), version, to, production);
}

base::Result<std::vector<Verdict>> Registry::RecordedVerdicts(const std::string& model,
                                                              int64_t number) {
  std::vector<Verdict> verdicts;
  TRY(state_->database.Read([&](storage::Transaction& transaction) -> base::Status {
    TRY(LoadVersion(transaction, model, number));
    verdicts = TRY(LoadVerdicts(transaction, model, number));
    return {};
  }));
  return verdicts;
}

base::Result<TransitionOutcome> Registry::Transition(const TransitionRequest& request) {
  if (request.force && request.reason.empty()) {
    return base::InvalidArgument(
        "reason", "a forced transition needs a reason, which is kept in the event log",
        "reason_missing");
  }
  if (request.force) TRY(state_->RequireOverrider(request.actor));
  // One promotion of a model at a time: each is judged against the production version it will
  // replace.
  const std::shared_ptr<std::mutex> lock = state_->LockOf(state_->transition_locks, request.model);
  const std::lock_guard hold(*lock);
  for (int tries = 1;; ++tries) {
    base::Result<TransitionOutcome> outcome = state_->TryTransition(request);
    if (outcome.ok() || outcome.status().code() != base::Code::kAborted || tries == kMostTries)
      return outcome;
  }
}

base::Result<TransitionOutcome> Registry::State::TryTransition(const TransitionRequest& request) {
  std::optional<Version> production;
  const Version version = TRY(LoadForGates(request.model, request.version, production));
  if (version.status != "READY" && request.to != Stage::kArchived) {
    return base::FailedPrecondition("version_not_ready",
                                    "version " + std::to_string(version.number) + " of model '" +
                                        version.model + "' is " + version.status +
                                        ": only a READY version changes its stage");
  }
  const std::shared_ptr<const KeptPolicy> policy = TRY(CurrentPolicy());
  TransitionOutcome outcome;
  if (version.stage != request.to)
    outcome.verdicts = TRY(CheckGates(*policy, version, request.to, production));
  if (AnyFailed(outcome.verdicts) && !request.force)
    return Refuse(request, version, outcome.verdicts);
  TRY(database.Write([&](storage::Transaction& transaction) -> base::Status {
    outcome.archived.clear();
    return Move(transaction, request, version, production, policy->version, outcome);
  }));
  return outcome;
}

base::Status Registry::State::Refuse(const TransitionRequest& request, const Version& version,
                                     const std::vector<Verdict>& verdicts) {
  TRY(database.Write([&](storage::Transaction& transaction) -> base::Status {
    TRY(LoadVersion(transaction, version.model, version.number));
    TRY(RecordVerdicts(transaction, version, request.to, clock.Now(), verdicts));
    TRY(
        transaction.Execute("UPDATE registry_versions SET metadata = $3 WHERE model = $1 AND "
                            "number = $2 AND metadata_frozen = 0",
                            {version.model, version.number, version.metadata.Dump()}));
    return Emit(transaction, "version.gate_refused", SubjectOf(version.model, version.number),
                request.actor, ChangeData(version.stage, request, verdicts));
  }));
  std::string message = "version " + std::to_string(version.number) + " of model '" +
                        version.model + "' may not enter " + std::string(StageName(request.to)) +
                        ":";
  for (const Verdict& verdict : verdicts) {
    if (verdict.outcome == Outcome::kFail && !verdict.overridden)
      message += " [" + verdict.gate + "] " + verdict.summary;
  }
  return base::FailedPrecondition("gate_failed", std::move(message));
}

base::Status Registry::State::Move(storage::Transaction& transaction,
                                   const TransitionRequest& request, const Version& seen,
                                   const std::optional<Version>& production, int64_t policy,
                                   TransitionOutcome& outcome) {
  const Version now_there = TRY(LoadVersion(transaction, seen.model, seen.number));
  const std::optional<int64_t> in_production =
      TRY(NumberInStage(transaction, seen.model, Stage::kProduction));
  const std::optional<int64_t> judged_against =
      production ? std::optional<int64_t>(production->number) : std::nullopt;
  if (now_there.stage != seen.stage || now_there.status != seen.status ||
      in_production != judged_against || TRY(NewestPolicy(transaction)) != policy) {
    return base::Status(base::Code::kAborted, "changed_meanwhile",
                        "the stages of model '" + seen.model +
                            "' or the policy changed while the gates ran: try again");
  }
  const base::Micros now = clock.Now();
  TRY(ArchiveOthers(transaction, request, now, outcome.archived));
  if (seen.stage != request.to) {
    const bool freeze = IsGuarded(request.to) && !seen.metadata_frozen;
    TRY(transaction.Execute(
        "UPDATE registry_versions SET stage = $3, updated = $4, metadata = $5, metadata_frozen = "
        "$6 "
        "WHERE model = $1 AND number = $2",
        {seen.model, seen.number, std::string(StageName(request.to)), now, seen.metadata.Dump(),
         static_cast<int64_t>(freeze || seen.metadata_frozen)}));
    TRY(RecordVerdicts(transaction, seen, request.to, now, outcome.verdicts));
    base::Json archived = base::Json::MakeArray();
    for (const int64_t number : outcome.archived) archived.Append(number);
    base::Json data = ChangeData(seen.stage, request, outcome.verdicts);
    data.Set("archived", std::move(archived));
    TRY(Emit(transaction, "version.stage_changed", SubjectOf(seen.model, seen.number),
             request.actor, std::move(data)));
  }
  outcome.version = TRY(LoadVersion(transaction, seen.model, seen.number));
  return {};
}

base::Status Registry::State::ArchiveOthers(storage::Transaction& transaction,
                                            const TransitionRequest& request, base::Micros now,
                                            std::vector<int64_t>& archived) {
  const bool archive = request.to == Stage::kProduction ||
                       (request.to == Stage::kStaging && request.archive_existing);
  if (!archive) return {};
  const std::string stage(StageName(request.to));
  for (const storage::Row& row :
       TRY(transaction.Query("SELECT number FROM registry_versions WHERE model = $1 AND stage = $2 "
                             "AND number <> $3 ORDER BY number",
                             {request.model, stage, request.version}))) {
    archived.push_back(row.Int(0));
  }
  for (const int64_t number : archived) {
    TRY(
        transaction.Execute("UPDATE registry_versions SET stage = 'Archived', updated = $3 WHERE "
                            "model = $1 AND number = $2",
                            {request.model, number, now}));
    TRY(Emit(transaction, "version.stage_changed", SubjectOf(request.model, number), request.actor,
             base::Json::MakeObject(
                 {{"from", stage},
                  {"to", "Archived"},
                  {"forced", false},
                  {"reason", "replaced by version " + std::to_string(request.version)},
                  {"verdicts", base::Json::MakeArray()}})));
  }
  return {};
}

}  // namespace slipway::registry
