// SPDX-License-Identifier: Apache-2.0
// Tracking, experiments: names for groups of runs. Ids are numbers that rise; "0" is the experiment
// that is always there.
#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/json.h"
#include "base/status.h"
#include "events/actor.h"
#include "events/events.h"
#include "storage/database.h"
#include "tracking/state.h"
#include "tracking/tracking.h"

namespace slipway::tracking {
namespace {

base::Status CheckName(const std::string& name) {
  if (name.empty())
    return base::InvalidArgument("name", "Invalid experiment name: ''. It cannot be empty.");
  if (name.size() <= kMostExperimentNameBytes) return {};
  return base::InvalidArgument("name", "An experiment's name has at most " +
                                           std::to_string(kMostExperimentNameBytes) +
                                           " bytes, this one " + std::to_string(name.size()) + ".");
}

base::Status RequireFreeName(storage::Transaction& transaction, const std::string& name) {
  const storage::Rows rows =
      TRY(transaction.Query("SELECT deleted FROM tracking_experiments WHERE name = $1", {name}));
  if (rows.empty()) return {};
  if (rows.front().Int(0) == 0) {
    return base::AlreadyExists("experiment_exists",
                               "Experiment(name=" + name + ") already exists.");
  }
  return base::AlreadyExists(
      "experiment_exists",
      "Experiment(name=" + name +
          ") already exists in deleted state. Restore it, or choose another name.");
}

}  // namespace

Tracking::Tracking(storage::Database& database, events::EventLog& events, base::Clock& clock)
    : state_(new State{database, events, clock, {}}) {}
Tracking::~Tracking() = default;

void Tracking::SetUse(FindUse find) { state_->find_use = std::move(find); }

base::Status Tracking::State::RequireUnused(storage::Transaction& transaction,
                                            const std::string& run_id,
                                            const std::string& model_id) const {
  if (!find_use) return {};
  const std::string use = TRY(find_use(transaction, run_id, model_id));
  if (use.empty()) return {};
  const bool of_run = !run_id.empty();
  return base::FailedPrecondition(
      of_run ? "run_in_use" : "logged_model_in_use",
      (of_run ? "Run '" + run_id : "Logged model '" + model_id) + "' cannot be deleted: " + use);
}

base::Result<Experiment> Tracking::CreateExperiment(const std::string& name, const Tags& tags,
                                                    const events::Actor& actor) {
  TRY(CheckName(name));
  TRY(CheckTags(tags, kMostTagsPerCall));
  Experiment experiment;
  TRY(state_->database.Write([&](storage::Transaction& transaction) -> base::Status {
    TRY(RequireFreeName(transaction, name));
    const storage::Rows last = TRY(transaction.Query("SELECT MAX(id) FROM tracking_experiments"));
    const int64_t id = last.front().Int(0) + 1;
    const int64_t now = state_->NowMs();
    TRY(transaction.Execute(
        "INSERT INTO tracking_experiments (id, name, deleted, created_ms, updated_ms) "
        "VALUES ($1, $2, 0, $3, $3)",
        {id, name, now}));
    for (const auto& [key, value] : tags) {
      TRY(transaction.Execute(
          "INSERT INTO tracking_experiment_tags (experiment_id, key, value) VALUES ($1, $2, $3)",
          {id, key, value}));
    }
    TRY(state_->Emit(transaction, "experiment.created", ExperimentSubject(std::to_string(id)),
                     actor, base::Json::MakeObject({{"name", name}})));
    experiment = TRY(LoadExperiment(transaction, std::to_string(id)));
    return {};
  }));
  return experiment;
}

base::Result<Experiment> Tracking::GetExperiment(const std::string& id) {
  Experiment experiment;
  TRY(state_->database.Read([&](storage::Transaction& transaction) -> base::Status {
    experiment = TRY(LoadExperiment(transaction, id));
    return {};
  }));
  return experiment;
}

base::Result<Experiment> Tracking::GetExperimentByName(const std::string& name) {
  const storage::Rows rows =
      TRY(state_->database.Query("SELECT id FROM tracking_experiments WHERE name = $1", {name}));
  if (rows.empty()) {
    return base::NotFound("experiment_not_found",
                          "Could not find experiment with name '" + name + "'");
  }
  return GetExperiment(std::to_string(rows.front().Int(0)));
}

base::Status Tracking::RenameExperiment(const std::string& id, const std::string& name,
                                        const events::Actor& actor) {
  TRY(CheckName(name));
  return state_->database.Write([&](storage::Transaction& transaction) -> base::Status {
    const Experiment experiment = TRY(LoadExperiment(transaction, id));
    TRY(RequireActive(experiment));
    if (experiment.name == name) return {};
    TRY(RequireFreeName(transaction, name));
    TRY(transaction.Execute(
        "UPDATE tracking_experiments SET name = $2, updated_ms = $3 WHERE id = $1",
        {TRY(ParseExperimentId(id)), name, state_->NowMs()}));
    return state_->Emit(transaction, "experiment.updated", ExperimentSubject(id), actor,
                        base::Json::MakeObject({{"name", name}, {"former_name", experiment.name}}));
  });
}

base::Status Tracking::DeleteExperiment(const std::string& id, const events::Actor& actor) {
  return state_->database.Write([&](storage::Transaction& transaction) -> base::Status {
    const Experiment experiment = TRY(LoadExperiment(transaction, id));
    TRY(RequireActive(experiment));
    TRY(transaction.Execute(
        "UPDATE tracking_experiments SET deleted = 1, updated_ms = $2 WHERE id = $1",
        {TRY(ParseExperimentId(id)), state_->NowMs()}));
    return state_->Emit(transaction, "experiment.deleted", ExperimentSubject(id), actor,
                        base::Json::MakeObject({{"name", experiment.name}}));
  });
}

base::Status Tracking::RestoreExperiment(const std::string& id, const events::Actor& actor) {
  return state_->database.Write([&](storage::Transaction& transaction) -> base::Status {
    const Experiment experiment = TRY(LoadExperiment(transaction, id));
    if (!experiment.deleted) return {};
    TRY(transaction.Execute(
        "UPDATE tracking_experiments SET deleted = 0, updated_ms = $2 WHERE id = $1",
        {TRY(ParseExperimentId(id)), state_->NowMs()}));
    return state_->Emit(transaction, "experiment.restored", ExperimentSubject(id), actor,
                        base::Json::MakeObject({{"name", experiment.name}}));
  });
}

base::Status Tracking::SetExperimentTag(const std::string& id, const std::string& key,
                                        const std::string& value) {
  TRY(CheckTags({{key, value}}, 1));
  return state_->database.Write([&](storage::Transaction& transaction) -> base::Status {
    TRY(RequireActive(TRY(LoadExperiment(transaction, id))));
    TRY(transaction.Execute(
        "INSERT INTO tracking_experiment_tags (experiment_id, key, value) VALUES ($1, $2, $3) "
        "ON CONFLICT (experiment_id, key) DO UPDATE SET value = excluded.value",
        {TRY(ParseExperimentId(id)), key, value}));
    return {};
  });
}

base::Status Tracking::DeleteExperimentTag(const std::string& id, const std::string& key) {
  return state_->database.Write([&](storage::Transaction& transaction) -> base::Status {
    TRY(RequireActive(TRY(LoadExperiment(transaction, id))));
    TRY(transaction.Execute(
        "DELETE FROM tracking_experiment_tags WHERE experiment_id = $1 AND key = $2",
        {TRY(ParseExperimentId(id)), key}));
    return {};
  });
}

}  // namespace slipway::tracking
