// SPDX-License-Identifier: Apache-2.0
// A version's walk, where it begins: a run is opened, logs, and ends.
#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/json.h"
#include "base/status.h"
#include "events/actor.h"
#include "storage/database.h"
#include "tracking/state.h"
#include "tracking/tracking.h"

namespace slipway::tracking {
namespace {

constexpr std::string_view kNameTag = "mlflow.runName";
constexpr std::array<std::string_view, 5> kStatuses = {"RUNNING", "SCHEDULED", "FINISHED", "FAILED",
                                                       "KILLED"};

bool HasEnded(std::string_view status) {
  return status == "FINISHED" || status == "FAILED" || status == "KILLED";
}

base::Status CheckStatus(const std::string& status) {
  if (std::ranges::find(kStatuses, status) != kStatuses.end()) return {};
  return base::InvalidArgument("status",
                               "Invalid run status '" + status +
                                   "'. Expected RUNNING, SCHEDULED, FINISHED, FAILED or KILLED.");
}

// The name that the caller gave, by itself or as MLflow's tag; else one made of the id.
std::string NameFor(const std::string& name, const Tags& tags, const std::string& run_id) {
  if (!name.empty()) return name;
  const auto tag = tags.find(std::string(kNameTag));
  return tag != tags.end() && !tag->second.empty() ? tag->second : "run-" + run_id.substr(0, 8);
}

}  // namespace

base::Result<Run> Tracking::CreateRun(const std::string& experiment_id, const std::string& name,
                                      const std::string& user, int64_t start_ms, const Tags& tags,
                                      const events::Actor& actor) {
  TRY(CheckTags(tags, kMostTagsPerCall));
  const std::string run_id = base::RandomHex32();
  Tags all = tags;
  const std::string run_name = NameFor(name, tags, run_id);
  all[std::string(kNameTag)] = run_name;
  TRY(state_->database.Write([&](storage::Transaction& transaction) -> base::Status {
    const Experiment experiment = TRY(LoadExperiment(transaction, experiment_id));
    TRY(RequireActive(experiment));
    TRY(
        transaction.Execute("INSERT INTO tracking_runs (run_id, experiment_id, name, status, "
                            "start_ms, end_ms, deleted, author) "
                            "VALUES ($1, $2, $3, 'RUNNING', $4, NULL, 0, $5)",
                            {run_id, TRY(ParseExperimentId(experiment_id)), run_name,
                             start_ms > 0 ? start_ms : state_->NowMs(), user}));
    TRY(WriteTags(transaction, run_id, all));
    return state_->Emit(
        transaction, "run.created", RunSubject(run_id), actor,
        base::Json::MakeObject({{"experiment", experiment.name}, {"name", run_name}}));
  }));
  return GetRun(run_id);
}

base::Result<Run> Tracking::GetRun(const std::string& run_id) {
  std::vector<Run> runs;
  TRY(state_->database.Read([&](storage::Transaction& transaction) -> base::Status {
    runs.clear();
    runs.emplace_back();
    runs.front().info = TRY(LoadRunInfo(transaction, run_id));
    return AddRunData(transaction, runs);
  }));
  return std::move(runs.front());
}

base::Result<RunInfo> Tracking::UpdateRun(const std::string& run_id, const RunUpdate& update,
                                          const events::Actor& actor) {
  if (update.status) TRY(CheckStatus(*update.status));
  RunInfo info;
  TRY(state_->database.Write([&](storage::Transaction& transaction) -> base::Status {
    const RunInfo former = TRY(LoadRunInfo(transaction, run_id));
    TRY(RequireActive(former));
    const std::string status = update.status.value_or(former.status);
    const std::string name = update.name && !update.name->empty() ? *update.name : former.name;
    const std::optional<int64_t> end_ms = update.end_ms ? update.end_ms : former.end_ms;
    TRY(transaction.Execute(
        "UPDATE tracking_runs SET status = $2, end_ms = $3, name = $4 WHERE run_id = $1",
        {run_id, status, end_ms ? storage::SqlValue(*end_ms) : storage::SqlValue(), name}));
    if (name != former.name) TRY(WriteTags(transaction, run_id, {{std::string(kNameTag), name}}));
    const bool ended = HasEnded(status) && status != former.status;
    if (ended || name != former.name) {
      TRY(state_->Emit(transaction, ended ? "run.finished" : "run.updated", RunSubject(run_id),
                       actor, base::Json::MakeObject({{"name", name}, {"status", status}})));
    }
    info = TRY(LoadRunInfo(transaction, run_id));
    return {};
  }));
  return info;
}

base::Status Tracking::DeleteRun(const std::string& run_id, const events::Actor& actor) {
  return state_->database.Write([&](storage::Transaction& transaction) -> base::Status {
    TRY(RequireActive(TRY(LoadRunInfo(transaction, run_id))));
    TRY(state_->RequireUnused(transaction, run_id, ""));
    TRY(transaction.Execute("UPDATE tracking_runs SET deleted = 1 WHERE run_id = $1", {run_id}));
    return state_->Emit(transaction, "run.deleted", RunSubject(run_id), actor,
                        base::Json::MakeObject());
  });
}

base::Status Tracking::RestoreRun(const std::string& run_id, const events::Actor& actor) {
  return state_->database.Write([&](storage::Transaction& transaction) -> base::Status {
    if (!TRY(LoadRunInfo(transaction, run_id)).deleted) return {};
    TRY(transaction.Execute("UPDATE tracking_runs SET deleted = 0 WHERE run_id = $1", {run_id}));
    return state_->Emit(transaction, "run.restored", RunSubject(run_id), actor,
                        base::Json::MakeObject());
  });
}

base::Status WriteTags(storage::Transaction& transaction, const std::string& run_id,
                       const Tags& tags) {
  for (const auto& [key, value] : tags) {
    TRY(
        transaction.Execute("INSERT INTO tracking_tags (run_id, key, value) VALUES ($1, $2, $3) "
                            "ON CONFLICT (run_id, key) DO UPDATE SET value = excluded.value",
                            {run_id, key, value}));
    if (key == kNameTag && !value.empty()) {
      TRY(transaction.Execute("UPDATE tracking_runs SET name = $2 WHERE run_id = $1",
                              {run_id, value}));
    }
  }
  return {};
}

}  // namespace slipway::tracking
