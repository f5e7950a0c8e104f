// SPDX-License-Identifier: Apache-2.0
// Between tracking's tables and its values; what is checked before anything is written.
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
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

constexpr size_t kIdsPerQuery = 100;

// Runs `sql` (whose "IN (?)" takes ids) for groups of ids and hands each row to the item it belongs
// to: column 0 is the id.
template <typename T>
base::Status ForEach(storage::Transaction& transaction, const std::string& sql,
                     std::vector<T>& items,
                     const std::function<const std::string&(const T&)>& id_of,
                     const std::function<base::Status(T&, const storage::Row&)>& add) {
  const size_t mark = sql.find("(?)");
  for (size_t first = 0; first < items.size(); first += kIdsPerQuery) {
    const size_t count = std::min(kIdsPerQuery, items.size() - first);
    std::map<std::string, T*> by_id;
    storage::SqlParams ids;
    for (size_t i = first; i < first + count; ++i) {
      by_id[id_of(items[i])] = &items[i];
      ids.emplace_back(id_of(items[i]));
    }
    const std::string text =
        sql.substr(0, mark) + "(" + Placeholders(0, count) + ")" + sql.substr(mark + 3);
    for (const storage::Row& row : TRY(transaction.Query(text, ids)))
      TRY(add(*by_id[row.Text(0)], row));
  }
  return {};
}

// key, value, is_nan, timestamp_ms, step from column 1 on
Metric ParseMetric(const storage::Row& row) {
  Metric metric;
  metric.key = row.Text(1);
  metric.value = row.Int(3) != 0 ? std::numeric_limits<double>::quiet_NaN() : row.Double(2);
  metric.timestamp_ms = row.Int(4);
  metric.step = row.Int(5);
  return metric;
}

base::Result<DatasetInput> ParseDataset(const storage::Row& row) {
  DatasetInput dataset{row.Text(1), row.Text(2), row.Text(3), row.Text(4),
                       row.Text(5), row.Text(6), {}};
  const base::Json tags = TRY(base::Json::Parse(row.Text(7)));
  for (const auto& [key, value] : tags.AsObject()) dataset.tags[key] = value.AsString();
  return dataset;
}

}  // namespace

std::string ExperimentSubject(std::string_view id) { return "experiment/" + std::string(id); }
std::string RunSubject(std::string_view run_id) { return "run/" + std::string(run_id); }
std::string LoggedModelSubject(std::string_view model_id) {
  return "logged_model/" + std::string(model_id);
}

base::Status Tracking::State::Emit(storage::Transaction& transaction, std::string type,
                                   std::string subject, const events::Actor& actor,
                                   base::Json data) {
  events::Event event;
  event.type = std::move(type);
  event.subject = std::move(subject);
  event.actor = actor;
  event.data = std::move(data);
  return events.Append(transaction, std::move(event));
}

std::string Placeholders(size_t before, size_t count) {
  std::string text;
  for (size_t i = 1; i <= count; ++i) {
    text += (i == 1 ? "$" : ", $") + std::to_string(before + i);
  }
  return text;
}

base::Status CheckKey(std::string_view what, const std::string& key) {
  if (!key.empty() && key.size() <= kMostKeyBytes) return {};
  return base::InvalidArgument("key", "A " + std::string(what) + "'s key has 1 to " +
                                          std::to_string(kMostKeyBytes) + " bytes, this one " +
                                          std::to_string(key.size()) + ".");
}

base::Status CheckCount(std::string_view what, size_t count, size_t most) {
  if (count <= most) return {};
  return base::InvalidArgument(std::string(what),
                               "A batch logging request can contain at most " +
                                   std::to_string(most) + " " + std::string(what) + ". Got " +
                                   std::to_string(count) + ". Please split up " +
                                   std::string(what) + " across multiple requests and try again.",
                               "too_many");
}

base::Status CheckTags(const Tags& tags, size_t most) {
  TRY(CheckCount("tags", tags.size(), most));
  for (const auto& [key, value] : tags) {
    TRY(CheckKey("tag", key));
    if (Characters(value) > kMostTagCharacters) {
      return base::InvalidArgument(
          "tags", "The value of tag '" + key + "' has " + std::to_string(Characters(value)) +
                      " characters; at most " + std::to_string(kMostTagCharacters) +
                      " are allowed.");
    }
  }
  return {};
}

base::Status CheckParams(const std::vector<Param>& params) {
  TRY(CheckCount("params", params.size(), kMostParamsPerCall));
  for (const Param& param : params) {
    TRY(CheckKey("param", param.key));
    if (Characters(param.value) > kMostParamCharacters) {
      return base::InvalidArgument(
          "params", "The value of param '" + param.key + "' has " +
                        std::to_string(Characters(param.value)) + " characters; at most " +
                        std::to_string(kMostParamCharacters) + " are allowed.");
    }
  }
  return {};
}

base::Result<int64_t> ParseExperimentId(const std::string& id) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), number);
  if (error != std::errc() || end != id.data() + id.size() || number < 0) {
    return base::NotFound("experiment_not_found", "No Experiment with id=" + id + " exists");
  }
  return number;
}

Experiment ParseExperiment(const storage::Row& row) {
  Experiment experiment;
  experiment.id = std::to_string(row.Int(0));
  experiment.name = row.Text(1);
  experiment.deleted = row.Int(2) != 0;
  experiment.created_ms = row.Int(3);
  experiment.updated_ms = row.Int(4);
  experiment.artifact_uri = std::string(kArtifactScheme) + experiment.id;
  return experiment;
}

RunInfo ParseRunInfo(const storage::Row& row) {
  RunInfo info;
  info.run_id = row.Text(0);
  info.experiment_id = std::to_string(row.Int(1));
  info.name = row.Text(2);
  info.status = row.Text(3);
  info.start_ms = row.Int(4);
  info.end_ms = row.MaybeInt(5);
  info.deleted = row.Int(6) != 0;
  info.user = row.Text(7);
  info.artifact_uri =
      std::string(kArtifactScheme) + info.experiment_id + "/" + info.run_id + "/artifacts";
  return info;
}

LoggedModel ParseLoggedModel(const storage::Row& row) {
  LoggedModel model;
  model.model_id = row.Text(0);
  model.experiment_id = std::to_string(row.Int(1));
  model.name = row.Text(2);
  model.status = row.Text(3);
  model.status_message = row.Text(4);
  model.type = row.Text(5);
  model.run_id = row.Text(6);
  model.created_ms = row.Int(7);
  model.updated_ms = row.Int(8);
  model.artifact_uri = std::string(kArtifactScheme) + model.experiment_id + "/models/" +
                       model.model_id + "/artifacts";
  return model;
}

base::Result<Experiment> LoadExperiment(storage::Transaction& transaction, const std::string& id) {
  const int64_t number = TRY(ParseExperimentId(id));
  const storage::Rows rows = TRY(transaction.Query(
      "SELECT " + std::string(kExperimentColumns) + " FROM tracking_experiments WHERE id = $1",
      {number}));
  if (rows.empty())
    return base::NotFound("experiment_not_found", "No Experiment with id=" + id + " exists");
  std::vector<Experiment> experiments = {ParseExperiment(rows.front())};
  TRY(AddExperimentTags(transaction, experiments));
  return std::move(experiments.front());
}

base::Result<RunInfo> LoadRunInfo(storage::Transaction& transaction, const std::string& run_id) {
  const storage::Rows rows = TRY(transaction.Query(
      "SELECT " + std::string(kRunColumns) + " FROM tracking_runs WHERE run_id = $1", {run_id}));
  if (rows.empty()) return base::NotFound("run_not_found", "Run with id=" + run_id + " not found");
  return ParseRunInfo(rows.front());
}

base::Result<LoggedModel> LoadLoggedModel(storage::Transaction& transaction,
                                          const std::string& model_id) {
  const storage::Rows rows =
      TRY(transaction.Query("SELECT " + std::string(kLoggedModelColumns) +
                                " FROM tracking_logged_models WHERE model_id = $1 AND deleted = 0",
                            {model_id}));
  if (rows.empty()) {
    return base::NotFound("logged_model_not_found",
                          "Logged model with ID '" + model_id + "' not found.");
  }
  std::vector<LoggedModel> models = {ParseLoggedModel(rows.front())};
  TRY(AddLoggedModelData(transaction, models));
  return std::move(models.front());
}

base::Status RequireActive(const Experiment& experiment) {
  if (!experiment.deleted) return {};
  return base::FailedPrecondition("experiment_deleted",
                                  "The experiment " + experiment.id +
                                      " must be in the 'active' state. Current state is deleted.");
}

base::Status RequireActive(const RunInfo& run) {
  if (!run.deleted) return {};
  return base::FailedPrecondition(
      "run_deleted",
      "The run " + run.run_id + " must be in the 'active' state. Current state is deleted.");
}

base::Status AddExperimentTags(storage::Transaction& transaction,
                               std::vector<Experiment>& experiments) {
  std::map<std::string, Experiment*> by_id;
  for (Experiment& experiment : experiments) by_id[experiment.id] = &experiment;
  const bool one =
      experiments.size() == 1;  // experiments are few: for more than one, all tags are read
  const std::string sql =
      std::string("SELECT experiment_id, key, value FROM tracking_experiment_tags") +
      (one ? " WHERE experiment_id = $1" : "");
  const storage::SqlParams params =
      one ? storage::SqlParams{TRY(ParseExperimentId(experiments.front().id))}
          : storage::SqlParams{};
  for (const storage::Row& row : TRY(transaction.Query(sql, params))) {
    const auto found = by_id.find(std::to_string(row.Int(0)));
    if (found != by_id.end()) found->second->tags[row.Text(1)] = row.Text(2);
  }
  return {};
}

base::Status AddRunData(storage::Transaction& transaction, std::vector<Run>& runs) {
  const auto id_of = [](const Run& run) -> const std::string& { return run.info.run_id; };
  TRY(ForEach<Run>(transaction,
                   "SELECT run_id, key, value, is_nan, timestamp_ms, step FROM "
                   "tracking_latest_metrics WHERE run_id IN (?) ORDER BY key",
                   runs, id_of, [](Run& run, const storage::Row& row) -> base::Status {
                     run.metrics.push_back(ParseMetric(row));
                     return {};
                   }));
  TRY(ForEach<Run>(
      transaction,
      "SELECT run_id, key, value FROM tracking_params WHERE run_id IN (?) ORDER BY key", runs,
      id_of, [](Run& run, const storage::Row& row) -> base::Status {
        run.params.push_back({row.Text(1), row.Text(2)});
        return {};
      }));
  TRY(ForEach<Run>(transaction, "SELECT run_id, key, value FROM tracking_tags WHERE run_id IN (?)",
                   runs, id_of, [](Run& run, const storage::Row& row) -> base::Status {
                     run.tags[row.Text(1)] = row.Text(2);
                     return {};
                   }));
  TRY(ForEach<Run>(transaction,
                   "SELECT run_id, name, digest, source_type, source, schema_text, profile, tags "
                   "FROM tracking_datasets WHERE run_id IN (?) ORDER BY name, digest",
                   runs, id_of, [](Run& run, const storage::Row& row) -> base::Status {
                     run.datasets.push_back(TRY(ParseDataset(row)));
                     return {};
                   }));
  return ForEach<Run>(
      transaction,
      "SELECT run_id, direction, model_id, step FROM tracking_run_models WHERE run_id IN (?) "
      "ORDER BY step, model_id",
      runs, id_of, [](Run& run, const storage::Row& row) -> base::Status {
        (row.Text(1) == "input" ? run.model_inputs : run.model_outputs)
            .push_back({row.Text(2), row.Int(3)});
        return {};
      });
}

base::Status AddLoggedModelData(storage::Transaction& transaction,
                                std::vector<LoggedModel>& models) {
  const auto id_of = [](const LoggedModel& model) -> const std::string& { return model.model_id; };
  TRY(ForEach<LoggedModel>(transaction,
                           "SELECT model_id, key, value FROM tracking_logged_model_params WHERE "
                           "model_id IN (?) ORDER BY key",
                           models, id_of,
                           [](LoggedModel& model, const storage::Row& row) -> base::Status {
                             model.params.push_back({row.Text(1), row.Text(2)});
                             return {};
                           }));
  TRY(ForEach<LoggedModel>(
      transaction,
      "SELECT model_id, key, value FROM tracking_logged_model_tags WHERE model_id IN (?)", models,
      id_of, [](LoggedModel& model, const storage::Row& row) -> base::Status {
        model.tags[row.Text(1)] = row.Text(2);
        return {};
      }));
  return ForEach<LoggedModel>(
      transaction,
      "SELECT model_id, key, value, is_nan, timestamp_ms, step, dataset_name, dataset_digest "
      "FROM tracking_logged_model_metrics WHERE model_id IN (?) ORDER BY key, step, timestamp_ms",
      models, id_of, [](LoggedModel& model, const storage::Row& row) -> base::Status {
        Metric metric = ParseMetric(row);
        metric.model_id = model.model_id;
        metric.dataset_name = row.Text(6);
        metric.dataset_digest = row.Text(7);
        const bool follows = !model.metrics.empty() && model.metrics.back().key == metric.key &&
                             model.metrics.back().dataset_digest == metric.dataset_digest;
        if (follows) model.metrics.pop_back();
        model.metrics.push_back(std::move(metric));
        return {};
      });
}

}  // namespace slipway::tracking
