// SPDX-License-Identifier: Apache-2.0
// MLflow's tables in SQLite or PostgreSQL, as its 2.x and 3.x releases make them.
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "registry/registry.h"
#include "storage/database.h"
#include "tracking/import.h"
#include "tracking/tracking.h"
#include "transfer/mlflow_source.h"

namespace slipway::transfer {
namespace {

using base::Result;
using storage::Row;
using storage::Rows;
using storage::SqlParams;

constexpr int64_t kRowsPerQuery = 200'000;
constexpr const char* kModelStatus[] = {"LOGGED_MODEL_STATUS_UNSPECIFIED", "LOGGED_MODEL_PENDING",
                                        "LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED"};

double NumberOf(const Row& row, size_t value, size_t is_nan) {
  return row.Int(is_nan) != 0 ? std::numeric_limits<double>::quiet_NaN() : row.Double(value);
}

class SqlSource final : public MlflowSource {
 public:
  explicit SqlSource(std::unique_ptr<storage::Database> database)
      : database_(std::move(database)) {}

  Result<bool> HasTable(const std::string& name) {
    const char* sql = database_->kind() == "sqlite"
                          ? "SELECT name FROM sqlite_master WHERE type = 'table' AND name = $1"
                          : "SELECT CAST(table_name AS TEXT) FROM information_schema.tables WHERE "
                            "table_schema = current_schema() AND table_name = $1";
    return !TRY(database_->Query(sql, {name})).empty();
  }

  Result<std::vector<tracking::Experiment>> Experiments() override {
    std::vector<tracking::Experiment> experiments;
    std::map<std::string, size_t> by_id;
    for (const Row& row : TRY(database_->Query(
             "SELECT experiment_id, name, artifact_location, lifecycle_stage, creation_time, "
             "last_update_time FROM experiments ORDER BY experiment_id"))) {
      tracking::Experiment& experiment = experiments.emplace_back();
      experiment.id = std::to_string(row.Int(0));
      experiment.name = row.Text(1);
      experiment.artifact_uri = row.Text(2);
      experiment.deleted = row.Text(3) == "deleted";
      experiment.created_ms = row.Int(4);
      experiment.updated_ms = row.Int(5);
      by_id[experiment.id] = experiments.size() - 1;
    }
    for (const Row& row :
         TRY(database_->Query("SELECT experiment_id, key, value FROM experiment_tags"))) {
      const auto found = by_id.find(std::to_string(row.Int(0)));
      if (found != by_id.end()) experiments[found->second].tags[row.Text(1)] = row.Text(2);
    }
    return experiments;
  }

  Result<std::vector<tracking::FullRun>> RunsAfter(const std::string& run_id,
                                                   int64_t most) override {
    std::vector<tracking::FullRun> runs;
    for (const Row& row : TRY(database_->Query(
             "SELECT run_uuid, experiment_id, name, status, start_time, end_time, lifecycle_stage, "
             "user_id, artifact_uri FROM runs WHERE run_uuid > $1 ORDER BY run_uuid LIMIT $2",
             {run_id, most}))) {
      tracking::RunInfo& info = runs.emplace_back().run.info;
      info.run_id = row.Text(0);
      info.experiment_id = std::to_string(row.Int(1));
      info.name = row.Text(2);
      info.status = row.Text(3);
      info.start_ms = row.Int(4);
      info.end_ms = row.MaybeInt(5);
      info.deleted = row.Text(6) == "deleted";
      info.user = row.Text(7);
      info.artifact_uri = row.Text(8);
    }
    if (runs.empty()) return runs;
    by_run_.clear();
    for (tracking::FullRun& run : runs) by_run_[run.run.info.run_id] = &run;
    first_ = runs.front().run.info.run_id;
    last_ = runs.back().run.info.run_id;
    TRY(AddMetrics());
    TRY(AddTexts());
    TRY(AddInputs());
    return runs;
  }

  Result<std::vector<tracking::LoggedModel>> LoggedModels() override;
  Result<std::vector<SourceModel>> Models() override;

 private:
  base::Status AddMetrics() {
    for (int64_t offset = 0;; offset += kRowsPerQuery) {
      const Rows rows = TRY(database_->Query(
          "SELECT run_uuid, key, value, is_nan, timestamp, step FROM metrics WHERE run_uuid >= $1 "
          "AND run_uuid <= $2 ORDER BY run_uuid, key, timestamp, step, value LIMIT $3 OFFSET $4",
          {first_, last_, kRowsPerQuery, offset}));
      for (const Row& row : rows) {
        const auto found = by_run_.find(row.Text(0));
        if (found == by_run_.end()) continue;
        found->second->history.push_back(
            {row.Text(1), NumberOf(row, 2, 3), row.Int(4), row.Int(5), {}, {}, {}});
      }
      if (static_cast<int64_t>(rows.size()) < kRowsPerQuery) return {};
    }
  }

  base::Status AddTexts() {
    const SqlParams range = {first_, last_};
    for (const Row& row : TRY(database_->Query(
             "SELECT run_uuid, key, value FROM params WHERE run_uuid >= $1 AND run_uuid <= $2",
             range))) {
      const auto found = by_run_.find(row.Text(0));
      if (found != by_run_.end()) found->second->run.params.push_back({row.Text(1), row.Text(2)});
    }
    for (const Row& row : TRY(database_->Query(
             "SELECT run_uuid, key, value FROM tags WHERE run_uuid >= $1 AND run_uuid <= $2",
             range))) {
      const auto found = by_run_.find(row.Text(0));
      if (found != by_run_.end()) found->second->run.tags[row.Text(1)] = row.Text(2);
    }
    return {};
  }

  base::Status AddInputs() {
    std::map<std::string, std::pair<std::string, tracking::DatasetInput>> found;
    for (const Row& row : TRY(database_->Query(
             "SELECT i.input_uuid, i.destination_id, d.name, d.digest, d.dataset_source_type, "
             "d.dataset_source, d.dataset_schema, d.dataset_profile FROM inputs i JOIN datasets d "
             "ON d.dataset_uuid = i.source_id WHERE i.source_type = 'DATASET' AND "
             "i.destination_type = 'RUN' AND i.destination_id >= $1 AND i.destination_id <= $2",
             {first_, last_}))) {
      found[row.Text(0)] = {
          row.Text(1),
          {row.Text(2), row.Text(3), row.Text(4), row.Text(5), row.Text(6), row.Text(7), {}}};
    }
    for (const Row& row : TRY(database_->Query(
             "SELECT t.input_uuid, t.name, t.value FROM input_tags t JOIN inputs i ON "
             "i.input_uuid = t.input_uuid WHERE i.destination_id >= $1 AND i.destination_id <= $2",
             {first_, last_}))) {
      const auto input = found.find(row.Text(0));
      if (input != found.end()) input->second.second.tags[row.Text(1)] = row.Text(2);
    }
    for (auto& [id, input] : found) {
      const auto run = by_run_.find(input.first);
      if (run != by_run_.end()) run->second->run.datasets.push_back(std::move(input.second));
    }
    return AddModelLinks();
  }

  base::Status AddModelLinks() {
    if (!TRY(HasTable("logged_models"))) return {};  // before MLflow 3
    for (const Row& row : TRY(database_->Query(
             "SELECT source_type, source_id, destination_id, step FROM inputs WHERE source_type IN "
             "('RUN_INPUT', 'RUN_OUTPUT') AND source_id >= $1 AND source_id <= $2",
             {first_, last_}))) {
      const auto found = by_run_.find(row.Text(1));
      if (found == by_run_.end()) continue;
      tracking::Run& run = found->second->run;
      (row.Text(0) == "RUN_INPUT" ? run.model_inputs : run.model_outputs)
          .push_back({row.Text(2), row.Text(0) == "RUN_INPUT" ? 0 : row.Int(3)});
    }
    return {};
  }

  base::Status AddVersions(std::map<std::string, SourceModel*>& by_name);

  std::unique_ptr<storage::Database> database_;
  std::map<std::string, tracking::FullRun*> by_run_;
  std::string first_;
  std::string last_;
};

Result<std::vector<tracking::LoggedModel>> SqlSource::LoggedModels() {
  std::vector<tracking::LoggedModel> models;
  if (!TRY(HasTable("logged_models"))) return models;
  for (const Row& row : TRY(database_->Query(
           "SELECT model_id, experiment_id, name, artifact_location, creation_timestamp_ms, "
           "last_updated_timestamp_ms, status, model_type, source_run_id, status_message FROM "
           "logged_models WHERE lifecycle_stage = 'active' ORDER BY model_id"))) {
    tracking::LoggedModel& model = models.emplace_back();
    model.model_id = row.Text(0);
    model.experiment_id = std::to_string(row.Int(1));
    model.name = row.Text(2);
    model.artifact_uri = row.Text(3);
    model.created_ms = row.Int(4);
    model.updated_ms = row.Int(5);
    model.status = kModelStatus[row.Int(6) >= 0 && row.Int(6) <= 3 ? row.Int(6) : 0];
    model.type = row.Text(7);
    model.run_id = row.Text(8);
    model.status_message = row.Text(9);
  }
  std::map<std::string, tracking::LoggedModel*> by_id;
  for (tracking::LoggedModel& model : models) by_id[model.model_id] = &model;
  for (const Row& row :
       TRY(database_->Query("SELECT model_id, param_key, param_value FROM logged_model_params"))) {
    const auto found = by_id.find(row.Text(0));
    if (found != by_id.end()) found->second->params.push_back({row.Text(1), row.Text(2)});
  }
  for (const Row& row :
       TRY(database_->Query("SELECT model_id, tag_key, tag_value FROM logged_model_tags"))) {
    const auto found = by_id.find(row.Text(0));
    if (found != by_id.end()) found->second->tags[row.Text(1)] = row.Text(2);
  }
  for (const Row& row : TRY(database_->Query(
           "SELECT model_id, metric_name, metric_value, metric_timestamp_ms, metric_step, "
           "dataset_name, dataset_digest FROM logged_model_metrics"))) {
    const auto found = by_id.find(row.Text(0));
    if (found == by_id.end()) continue;
    const double value = row.IsNull(2) ? std::numeric_limits<double>::quiet_NaN() : row.Double(2);
    found->second->metrics.push_back(
        {row.Text(1), value, row.Int(3), row.Int(4), row.Text(0), row.Text(5), row.Text(6)});
  }
  return models;
}

base::Status SqlSource::AddVersions(std::map<std::string, SourceModel*>& by_name) {
  const bool placed = TRY(HasTable("logged_models"));
  std::map<std::pair<std::string, int64_t>, SourceVersion*> by_number;
  for (const Row& row : TRY(database_->Query(
           std::string("SELECT name, version, creation_time, last_updated_time, description, "
                       "user_id, current_stage, source, run_id, run_link, status, status_message") +
           (placed ? ", storage_location" : ", source") +
           " FROM model_versions WHERE current_stage <> 'Deleted_Internal' ORDER BY name, "
           "version"))) {
    const auto found = by_name.find(row.Text(0));
    if (found == by_name.end()) continue;
    SourceVersion& one = found->second->versions.emplace_back();
    one.version.model = row.Text(0);
    one.version.number = row.Int(1);
    one.version.created = row.Int(2) * base::kMillisecond;
    one.version.updated = row.Int(3) * base::kMillisecond;
    one.version.description = row.Text(4);
    one.version.user = row.Text(5);
    one.version.stage = TRY(registry::ParseStage(row.Text(6)));
    one.version.source = row.Text(7);
    one.version.run_id = row.Text(8);
    one.version.run_link = row.Text(9);
    one.version.status = row.Text(10);
    one.version.status_message = row.Text(11);
    one.location = row.Text(12);
  }
  for (auto& [name, model] : by_name) {
    for (SourceVersion& one : model->versions) by_number[{name, one.version.number}] = &one;
  }
  for (const Row& row :
       TRY(database_->Query("SELECT name, version, key, value FROM model_version_tags"))) {
    const auto found = by_number.find({row.Text(0), row.Int(1)});
    if (found != by_number.end()) found->second->version.tags[row.Text(2)] = row.Text(3);
  }
  return {};
}

Result<std::vector<SourceModel>> SqlSource::Models() {
  std::vector<SourceModel> models;
  for (const Row& row : TRY(database_->Query(
           "SELECT name, creation_time, last_updated_time, description FROM registered_models "
           "ORDER BY name"))) {
    registry::Model& model = models.emplace_back().model;
    model.name = row.Text(0);
    model.created = row.Int(1) * base::kMillisecond;
    model.updated = row.Int(2) * base::kMillisecond;
    model.description = row.Text(3);
  }
  std::map<std::string, SourceModel*> by_name;
  for (SourceModel& model : models) by_name[model.model.name] = &model;
  for (const Row& row :
       TRY(database_->Query("SELECT name, key, value FROM registered_model_tags"))) {
    const auto found = by_name.find(row.Text(0));
    if (found != by_name.end()) found->second->model.tags[row.Text(1)] = row.Text(2);
  }
  for (const Row& row :
       TRY(database_->Query("SELECT name, alias, version FROM registered_model_aliases"))) {
    const auto found = by_name.find(row.Text(0));
    if (found != by_name.end()) found->second->model.aliases[row.Text(1)] = row.Int(2);
  }
  TRY(AddVersions(by_name));
  return models;
}

}  // namespace

Result<std::unique_ptr<MlflowSource>> OpenSqlSource(std::unique_ptr<storage::Database> database) {
  auto source = std::make_unique<SqlSource>(std::move(database));
  for (const char* table :
       {"experiments", "runs", "metrics", "inputs", "registered_model_aliases"}) {
    if (TRY(source->HasTable(table))) continue;
    return base::FailedPrecondition(
        "no_mlflow_store", std::string("the database has no table '") + table +
                               "': expected a store of MLflow 2.4 or later; `mlflow db upgrade` "
                               "brings an older one there");
  }
  return std::unique_ptr<MlflowSource>(std::move(source));
}

}  // namespace slipway::transfer
