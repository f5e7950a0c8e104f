// SPDX-License-Identifier: Apache-2.0
// A version's walk, judged in the background: each gate's verdict is on record as soon as it is
// there.
#include "registry/gate_runs.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/status.h"
#include "registry/records.h"
#include "registry/registry.h"
#include "registry/state.h"
#include "storage/database.h"

namespace slipway::registry {
namespace {

constexpr std::string_view kColumns =
    "SELECT id, model, number, stage, state, policy, actor, started, ended, done, total, "
    "current_gate, verdicts FROM registry_gate_runs";

base::Result<GateRun> FromRow(const storage::Row& row) {
  GateRun run;
  run.id = row.Int(0);
  run.model = row.Text(1);
  run.number = row.Int(2);
  run.stage = TRY(ParseStage(row.Text(3)));
  run.state = row.Text(4);
  run.policy = row.Int(5);
  run.actor = row.Text(6);
  run.started = row.Int(7);
  run.ended = row.Int(8);
  run.done = row.Int(9);
  run.total = row.Int(10);
  run.current = row.Text(11);
  run.verdicts = TRY(base::Json::Parse(row.Text(12)));
  return run;
}

base::Status Keep(storage::Transaction& transaction, const GateRun& run) {
  TRY(transaction.Execute(
      "UPDATE registry_gate_runs SET state = $2, ended = $3, done = $4, total = $5, "
      "current_gate = $6, verdicts = $7, policy = $8 WHERE id = $1",
      {run.id, run.state, run.ended, run.done, run.total, run.current, run.verdicts.Dump(),
       run.policy}));
  return {};
}

}  // namespace

base::Json ToJson(const GateRun& run) {
  return base::Json::MakeObject(
      {{"id", run.id},
       {"model", run.model},
       {"version", run.number},
       {"to", StageName(run.stage)},
       {"state", run.state},
       {"policy", run.policy},
       {"actor", run.actor},
       {"started", base::FormatTime(run.started)},
       {"ended", run.ended == 0 ? base::Json() : base::Json(base::FormatTime(run.ended))},
       {"done", run.done},
       {"total", run.total},
       {"current", run.current},
       {"verdicts", run.verdicts}});
}

base::Result<GateRun> Registry::StartGateRun(const std::string& model, int64_t number, Stage to,
                                             const events::Actor& actor) {
  if (to != Stage::kStaging && to != Stage::kProduction)
    return base::InvalidArgument("to", "expected Staging or Production: no gate guards the others");
  GateRun run{0,
              model,
              number,
              to,
              "running",
              TRY(state_->CurrentPolicy())->version,
              actor.name,
              state_->clock.Now(),
              0,
              0,
              0,
              "",
              base::Json::MakeArray()};
  const std::lock_guard hold(state_->mutex);
  if (state_->running_gates >= kMostGateRuns)
    return base::ResourceExhausted("too_many_gate_runs",
                                   std::to_string(kMostGateRuns) + " gate runs are under way");
  TRY(state_->database.Write([&](storage::Transaction& transaction) -> base::Status {
    TRY(LoadVersion(transaction, model, number));
    run.id = TRY(transaction.Query("SELECT MAX(id) FROM registry_gate_runs")).front().Int(0) + 1;
    TRY(transaction.Execute(
        "INSERT INTO registry_gate_runs (id, model, number, stage, state, policy, actor, started, "
        "ended, done, total, current_gate, verdicts) "
        "VALUES ($1, $2, $3, $4, 'running', $5, $6, $7, 0, 0, 0, '', '[]')",
        {run.id, model, number, std::string(StageName(to)), run.policy, run.actor, run.started}));
    return {};
  }));
  ++state_->running_gates;
  state_->gate_threads.emplace_back([this, run, actor] {
    const base::Status judged = state_->Judge(run, actor);
    if (!judged.ok())
      base::Log(base::LogLevel::kError, "registry", "a gate run could not be recorded",
                {{"run", run.id}, {"error", judged.ToString()}});
    const std::lock_guard lock(state_->mutex);
    --state_->running_gates;
  });
  return run;
}

base::Status Registry::State::Judge(GateRun run, const events::Actor& actor) {
  std::optional<Version> production;
  const Version version = TRY(LoadForGates(run.model, run.number, production));
  const auto progress = [&](const std::string& gate, int64_t done, int64_t total,
                            const Verdict* verdict) -> base::Status {
    run.current = gate;
    run.done = done;
    run.total = total;
    if (verdict != nullptr) run.verdicts.Append(ToJson(*verdict));
    return database.Write(
        [&](storage::Transaction& transaction) { return Keep(transaction, run); });
  };
  const std::shared_ptr<const KeptPolicy> policy = TRY(CurrentPolicy());
  run.policy = policy->version;
  const std::vector<Verdict> verdicts =
      TRY(CheckGates(*policy, version, run.stage, production, progress));
  run.verdicts = base::Json::MakeArray();
  bool passed = true;
  for (const Verdict& verdict : verdicts) {
    run.verdicts.Append(ToJson(verdict));
    passed = passed && (verdict.outcome != Outcome::kFail || verdict.overridden);
  }
  run.state = passed ? "passed" : "failed";
  run.current = "";
  run.ended = clock.Now();
  return database.Write([&](storage::Transaction& transaction) -> base::Status {
    TRY(Keep(transaction, run));
    if (!LoadVersion(transaction, run.model, run.number).ok()) return {};  // deleted meanwhile
    TRY(RecordVerdicts(transaction, version, run.stage, run.ended, verdicts));
    base::Json failed = base::Json::MakeArray();
    for (const Verdict& verdict : verdicts) {
      if (verdict.outcome == Outcome::kFail && !verdict.overridden) failed.Append(verdict.gate);
    }
    return Emit(transaction, "gates.judged", SubjectOf(run.model, run.number), actor,
                base::Json::MakeObject({{"run", run.id},
                                        {"to", StageName(run.stage)},
                                        {"state", run.state},
                                        {"policy", run.policy},
                                        {"failed", std::move(failed)}}));
  });
}

base::Result<GateRun> Registry::GetGateRun(int64_t id) {
  const storage::Rows rows =
      TRY(state_->database.Query(std::string(kColumns) + " WHERE id = $1", {id}));
  if (rows.empty())
    return base::NotFound("no_such_gate_run", "there is no gate run " + std::to_string(id));
  return FromRow(rows.front());
}

base::Result<std::vector<GateRun>> Registry::GateRuns(const std::string& model, int64_t number,
                                                      int64_t limit) {
  TRY(GetVersion(model, number));
  std::vector<GateRun> runs;
  for (const storage::Row& row : TRY(state_->database.Query(
           std::string(kColumns) + " WHERE model = $1 AND number = $2 ORDER BY id DESC LIMIT $3",
           {model, number, limit}))) {
    runs.push_back(TRY(FromRow(row)));
  }
  return runs;
}

// A run that the server ended under was not judged: it says so and is run again by whoever wants.
base::Status Registry::State::InterruptGateRuns() {
  return database.Write([&](storage::Transaction& transaction) -> base::Status {
    TRY(transaction.Execute(
        "UPDATE registry_gate_runs SET state = 'interrupted', ended = $1 WHERE state = 'running'",
        {clock.Now()}));
    return {};
  });
}

void Registry::Stop() {
  std::vector<std::thread> threads;
  {
    const std::lock_guard hold(state_->mutex);
    threads.swap(state_->gate_threads);
  }
  for (std::thread& thread : threads) thread.join();
}

base::Json Registry::GatesJson() const {
  base::Json gates = base::Json::MakeArray();
  for (const auto& gate : state_->gates) {
    base::Json guards = base::Json::MakeArray();
    for (const Stage stage : {Stage::kStaging, Stage::kProduction}) {
      if (gate->Guards(stage)) guards.Append(StageName(stage));
    }
    gates.Append(base::Json::MakeObject(
        {{"gate", gate->name()}, {"guards", std::move(guards)}, {"help", gate->help()}}));
  }
  return gates;
}

}  // namespace slipway::registry
