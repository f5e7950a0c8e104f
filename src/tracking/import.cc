// SPDX-License-Identifier: Apache-2.0
// A version's walk, begun elsewhere: runs of another store come here whole.
#include "tracking/import.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "events/actor.h"
#include "events/events.h"
#include "storage/database.h"
#include "tracking/state.h"
#include "tracking/tracking.h"

namespace slipway::tracking {
namespace {

base::Status Emit(events::EventLog& events, storage::Transaction& transaction, std::string type,
                  const std::string& experiment_id, const events::Actor& actor, base::Json data) {
  events::Event event;
  event.type = std::move(type);
  event.subject = ExperimentSubject(experiment_id);
  event.actor = actor;
  event.data = std::move(data);
  return events.Append(transaction, std::move(event));
}

storage::SqlValue OrNull(const std::optional<int64_t>& value) {
  return value ? storage::SqlValue(*value) : storage::SqlValue();
}

base::Result<int64_t> FreeExperimentId(storage::Transaction& transaction,
                                       const std::string& wanted) {
  const base::Result<int64_t> number = ParseExperimentId(wanted);
  if (number.ok()) {
    const storage::Rows taken =
        TRY(transaction.Query("SELECT id FROM tracking_experiments WHERE id = $1", {*number}));
    if (taken.empty()) return *number;
  }
  return TRY(transaction.Query("SELECT MAX(id) FROM tracking_experiments")).front().Int(0) + 1;
}

// Of a run that is new here.
base::Status AddRunParts(storage::Transaction& transaction, const FullRun& full) {
  const Run& run = full.run;
  const std::string& run_id = run.info.run_id;
  TRY(WriteMetrics(transaction, run_id, full.history));
  for (const Param& param : run.params) {
    TRY(
        transaction.Execute("INSERT INTO tracking_params (run_id, key, value) VALUES ($1, $2, $3) "
                            "ON CONFLICT DO NOTHING",
                            {run_id, param.key, param.value}));
  }
  for (const auto& [key, value] : run.tags) {
    TRY(transaction.Execute("INSERT INTO tracking_tags (run_id, key, value) VALUES ($1, $2, $3)",
                            {run_id, key, value}));
  }
  for (const DatasetInput& dataset : run.datasets) TRY(WriteDataset(transaction, run_id, dataset));
  const auto link = [&](const char* direction, const ModelLink& model) -> base::Status {
    TRY(
        transaction.Execute("INSERT INTO tracking_run_models (run_id, direction, model_id, step) "
                            "VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                            {run_id, direction, model.model_id, model.step}));
    return {};
  };
  for (const ModelLink& model : run.model_inputs) TRY(link("input", model));
  for (const ModelLink& model : run.model_outputs) TRY(link("output", model));
  return {};
}

base::Result<bool> AddRun(storage::Transaction& transaction, const FullRun& full) {
  const RunInfo& info = full.run.info;
  const int64_t added = TRY(transaction.Execute(
      "INSERT INTO tracking_runs (run_id, experiment_id, name, status, start_ms, end_ms, deleted, "
      "author) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
      {info.run_id, TRY(ParseExperimentId(info.experiment_id)), info.name, info.status,
       info.start_ms, OrNull(info.end_ms), static_cast<int64_t>(info.deleted), info.user}));
  if (added == 0) return false;
  TRY(AddRunParts(transaction, full));
  return true;
}

base::Status AddLoggedModelParts(storage::Transaction& transaction, const LoggedModel& model) {
  for (const Param& param : model.params) {
    TRY(transaction.Execute(
        "INSERT INTO tracking_logged_model_params (model_id, key, value) VALUES ($1, $2, $3)",
        {model.model_id, param.key, param.value}));
  }
  for (const auto& [key, value] : model.tags) {
    TRY(transaction.Execute(
        "INSERT INTO tracking_logged_model_tags (model_id, key, value) VALUES ($1, $2, $3)",
        {model.model_id, key, value}));
  }
  return WriteModelMetrics(transaction, model.run_id, model.metrics);
}

}  // namespace

Import::Import(storage::Database& database, events::EventLog& events)
    : database_(database), events_(events) {}

base::Result<ImportedExperiment> Import::AddExperiment(const Experiment& experiment,
                                                       const events::Actor& actor) {
  int64_t id = 0;
  bool added = false;
  TRY(database_.Write([&](storage::Transaction& transaction) -> base::Status {
    const storage::Rows known = TRY(transaction.Query(
        "SELECT id FROM tracking_experiments WHERE name = $1", {experiment.name}));
    if (!known.empty()) {
      id = known.front().Int(0);
      return {};
    }
    added = true;
    id = TRY(FreeExperimentId(transaction, experiment.id));
    TRY(transaction.Execute(
        "INSERT INTO tracking_experiments (id, name, deleted, created_ms, updated_ms) "
        "VALUES ($1, $2, $3, $4, $5)",
        {id, experiment.name, static_cast<int64_t>(experiment.deleted), experiment.created_ms,
         experiment.updated_ms}));
    for (const auto& [key, value] : experiment.tags) {
      TRY(transaction.Execute(
          "INSERT INTO tracking_experiment_tags (experiment_id, key, value) VALUES ($1, $2, $3)",
          {id, key, value}));
    }
    return Emit(events_, transaction, "experiment.imported", std::to_string(id), actor,
                base::Json::MakeObject({{"name", experiment.name}}));
  }));
  return ImportedExperiment{std::to_string(id), added};
}

base::Result<int64_t> Import::AddRuns(const std::vector<FullRun>& runs,
                                      const events::Actor& actor) {
  int64_t added = 0;
  TRY(database_.Write([&](storage::Transaction& transaction) -> base::Status {
    added = 0;
    std::map<std::string, int64_t> by_experiment;
    for (const FullRun& full : runs) {
      if (!TRY(AddRun(transaction, full))) continue;
      ++added;
      ++by_experiment[full.run.info.experiment_id];
    }
    for (const auto& [experiment, count] : by_experiment) {
      TRY(Emit(events_, transaction, "runs.imported", experiment, actor,
               base::Json::MakeObject({{"runs", count}})));
    }
    return {};
  }));
  return added;
}

base::Result<int64_t> Import::AddLoggedModels(const std::vector<LoggedModel>& models) {
  int64_t count = 0;
  TRY(database_.Write([&](storage::Transaction& transaction) -> base::Status {
    count = 0;
    for (const LoggedModel& model : models) {
      const int64_t added = TRY(transaction.Execute(
          "INSERT INTO tracking_logged_models (model_id, experiment_id, name, status, "
          "status_message, type, run_id, created_ms, updated_ms, deleted) "
          "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0) ON CONFLICT DO NOTHING",
          {model.model_id, TRY(ParseExperimentId(model.experiment_id)), model.name, model.status,
           model.status_message, model.type, model.run_id, model.created_ms, model.updated_ms}));
      if (added == 0) continue;
      ++count;
      TRY(AddLoggedModelParts(transaction, model));
    }
    return {};
  }));
  return count;
}

base::Result<std::vector<FullRun>> Import::Runs(const std::vector<std::string>& run_ids) {
  std::vector<FullRun> full;
  TRY(database_.Read([&](storage::Transaction& transaction) -> base::Status {
    full.clear();
    std::vector<Run> runs;
    for (const std::string& run_id : run_ids)
      runs.emplace_back().info = TRY(LoadRunInfo(transaction, run_id));
    TRY(AddRunData(transaction, runs));
    for (Run& run : runs) {
      FullRun& one = full.emplace_back();
      for (const storage::Row& row : TRY(transaction.Query(
               "SELECT key, value, is_nan, timestamp_ms, step FROM tracking_metrics WHERE run_id = "
               "$1 ORDER BY key, timestamp_ms, step, value, is_nan",
               {run.info.run_id}))) {
        const double value =
            row.Int(2) != 0 ? std::numeric_limits<double>::quiet_NaN() : row.Double(1);
        one.history.push_back({row.Text(0), value, row.Int(3), row.Int(4), {}, {}, {}});
      }
      one.run = std::move(run);
    }
    return {};
  }));
  return full;
}

}  // namespace slipway::tracking
