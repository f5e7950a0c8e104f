// SPDX-License-Identifier: Apache-2.0
// Tracking: experiments, runs with their parameters, metrics, tags, data sets and artifacts, and
// logged models (MLflow 3's). Thread-safe; calls block. Times that clients give are milliseconds
// since the epoch (`_ms`), as MLflow's are. Errors: kNotFound (experiment_not_found, run_not_found,
// logged_model_not_found, trace_not_found), kAlreadyExists (experiment_exists), kInvalidArgument
// (invalid_argument, param_changed, too_many), kFailedPrecondition (experiment_deleted,
// run_deleted, run_in_use, logged_model_in_use). Events: experiment.created, .updated, .deleted,
// .restored; run.created, .finished, .updated, .deleted, .restored; logged_model.created,
// .finalized, .deleted. What a run logs while it goes on has no event of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/status.h"
#include "events/events.h"
#include "storage/database.h"
#include "tracking/traces.h"

namespace slipway::tracking {

using Tags = std::map<std::string, std::string>;

// Most of each in one call, as MLflow documents them; longer keys and values are refused, not cut.
inline constexpr size_t kMostMetricsPerCall = 1000;
inline constexpr size_t kMostParamsPerCall = 100;
inline constexpr size_t kMostTagsPerCall = 100;
inline constexpr size_t kMostDatasetsPerCall = 1000;
inline constexpr size_t kMostKeyBytes = 250;
inline constexpr size_t kMostParamCharacters = 6000;
inline constexpr size_t kMostTagCharacters = 8000;
inline constexpr size_t kMostExperimentNameBytes = 500;
inline constexpr int64_t kMostPerPage = 50'000;

// Of UTF-8: bytes that begin one.
constexpr size_t Characters(std::string_view text) {
  size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U ? 1 : 0;
  return count;
}

// "artifacts/<experiment>/<run>/artifacts" and so on are blob folders; clients see the same below
// "mlflow-artifacts:/".
inline constexpr std::string_view kArtifactScheme = "mlflow-artifacts:/";
inline constexpr std::string_view kArtifactFolder = "artifacts/";

struct Experiment {
  std::string id;  // a number
  std::string name;
  std::string artifact_uri;  // "mlflow-artifacts:/<id>"
  bool deleted = false;
  int64_t created_ms = 0;
  int64_t updated_ms = 0;
  Tags tags;
};

struct Metric {
  std::string key;
  double value = 0;  // may be NaN or infinite
  int64_t timestamp_ms = 0;
  int64_t step = 0;
  std::string model_id;  // the logged model it measures, and on which data set; may be empty
  std::string dataset_name;
  std::string dataset_digest;
};

struct Param {
  std::string key;
  std::string value;
};

struct DatasetInput {
  std::string name;
  std::string digest;
  std::string source_type;
  std::string source;
  std::string schema;
  std::string profile;
  Tags tags;  // "mlflow.data.context": "training"
};

struct ModelLink {
  std::string model_id;
  int64_t step = 0;  // outputs only
};

struct RunInfo {
  std::string run_id;
  std::string experiment_id;
  std::string name;
  std::string status = "RUNNING";  // RUNNING, SCHEDULED, FINISHED, FAILED, KILLED
  int64_t start_ms = 0;
  std::optional<int64_t> end_ms;
  bool deleted = false;
  std::string user;
  std::string artifact_uri;  // "mlflow-artifacts:/<experiment>/<run>/artifacts"
};

struct Run {
  RunInfo info;
  std::vector<Metric> metrics;  // the latest of each key: highest step, then timestamp, then value
  std::vector<Param> params;
  Tags tags;
  std::vector<DatasetInput> datasets;
  std::vector<ModelLink> model_inputs;
  std::vector<ModelLink> model_outputs;
};

struct LoggedModel {
  std::string model_id;  // "m-<32 hex digits>"
  std::string experiment_id;
  std::string name;
  std::string artifact_uri;  // "mlflow-artifacts:/<experiment>/models/<model id>/artifacts"
  std::string status = "LOGGED_MODEL_PENDING";  // LOGGED_MODEL_READY, LOGGED_MODEL_UPLOAD_FAILED
  std::string status_message;
  std::string type;
  std::string run_id;  // the run that made it
  int64_t created_ms = 0;
  int64_t updated_ms = 0;
  std::vector<Param> params;
  Tags tags;
  std::vector<Metric> metrics;
};

struct LogBatch {
  std::vector<Metric> metrics;
  std::vector<Param> params;
  Tags tags;
};

// --- Searching
// -----------------------------------------------------------------------------------------------------------------
enum class Entity { kAttribute, kMetric, kParam, kTag, kDataset };

// One comparison of a filter; a filter is their conjunction.
struct Condition {
  Entity entity = Entity::kAttribute;
  std::string key;
  std::string op;  // "=", "!=", "<", "<=", ">", ">=", "LIKE", "ILIKE", "IN", "NOT IN", "IS NULL",
                   // "IS NOT NULL"
  std::vector<std::string> texts;  // one, or the list of IN
  double number = 0;               // instead of texts, where the key is a number
};

struct OrderBy {
  Entity entity = Entity::kAttribute;
  std::string key;
  bool ascending = true;
  // Of a logged model's metric: only where it was measured on this data set, when not empty.
  std::string dataset_name{};
  std::string dataset_digest{};
};

struct DatasetName {
  std::string name;
  std::string digest;  // any, when empty
};

// One metric of several runs, for a chart.
struct HistoryQuery {
  std::vector<std::string> run_ids;
  std::string key;
  int64_t first_step = 0;  // to last_step, both included
  int64_t last_step = 0;
  int64_t most = 0;  // of each run: evenly spaced values, the last among them
};
struct RunMetric {
  std::string run_id;
  Metric metric;
};

struct DatasetSummary {
  std::string experiment_id;
  std::string name;
  std::string digest;
  std::string context;  // may be empty
};

enum class View { kActive, kDeleted, kAll };

struct SearchQuery {
  std::vector<std::string> experiment_ids;  // runs and logged models
  std::vector<Condition> conditions;
  std::vector<OrderBy> order;
  // Logged models: those measured on one of these; metric conditions count only there.
  std::vector<DatasetName> datasets;
  View view = View::kActive;
  int64_t limit = 1000;
  int64_t offset = 0;
};

template <typename T>
struct Page {
  std::vector<T> items;
  bool more = false;
};

class Tracking {
 public:
  Tracking(storage::Database& database, events::EventLog& events, base::Clock& clock);
  ~Tracking();

  // Who needs a run or a logged model (one of the ids is empty), in words; empty when nobody does.
  // Asked in the transaction of a deletion. Before the first request.
  using FindUse = std::function<base::Result<std::string>(
      storage::Transaction&, const std::string& run_id, const std::string& model_id)>;
  void SetUse(FindUse find);

  base::Result<Experiment> CreateExperiment(const std::string& name, const Tags& tags,
                                            const events::Actor& actor);
  base::Result<Experiment> GetExperiment(const std::string& id);
  base::Result<Experiment> GetExperimentByName(const std::string& name);
  base::Status RenameExperiment(const std::string& id, const std::string& name,
                                const events::Actor& actor);
  base::Status DeleteExperiment(const std::string& id, const events::Actor& actor);
  base::Status RestoreExperiment(const std::string& id, const events::Actor& actor);
  base::Status SetExperimentTag(const std::string& id, const std::string& key,
                                const std::string& value);
  base::Status DeleteExperimentTag(const std::string& id, const std::string& key);
  base::Result<Page<Experiment>> SearchExperiments(const SearchQuery& query);

  base::Result<Run> CreateRun(const std::string& experiment_id, const std::string& name,
                              const std::string& user, int64_t start_ms, const Tags& tags,
                              const events::Actor& actor);
  base::Result<Run> GetRun(const std::string& run_id);
  struct RunUpdate {
    std::optional<std::string> name;
    std::optional<std::string> status;
    std::optional<int64_t> end_ms;
  };
  base::Result<RunInfo> UpdateRun(const std::string& run_id, const RunUpdate& update,
                                  const events::Actor& actor);
  base::Status DeleteRun(const std::string& run_id, const events::Actor& actor);
  base::Status RestoreRun(const std::string& run_id, const events::Actor& actor);
  base::Result<Page<Run>> SearchRuns(const SearchQuery& query);

  // All or nothing. A parameter already logged with another value is kInvalidArgument
  // (param_changed).
  base::Status Log(const std::string& run_id, const LogBatch& batch);
  base::Status DeleteTag(const std::string& run_id,
                         const std::string& key);  // kNotFound (tag_not_found)
  base::Status LogInputs(const std::string& run_id, const std::vector<DatasetInput>& datasets,
                         const std::vector<ModelLink>& models);
  base::Status LogOutputs(const std::string& run_id, const std::vector<ModelLink>& models);
  // Every logged value, by timestamp, then step.
  base::Result<Page<Metric>> MetricHistory(const std::string& run_id, const std::string& key,
                                           int64_t offset, int64_t limit);

  // In the order of the runs, then by step and timestamp; a run that is not there has none.
  base::Result<std::vector<RunMetric>> Histories(const HistoryQuery& query);
  // Those that runs of the experiments logged, each once; the first thousand by name.
  base::Result<std::vector<DatasetSummary>> FindDatasets(
      const std::vector<std::string>& experiment_ids);

  base::Result<LoggedModel> CreateLoggedModel(
      LoggedModel model, const events::Actor& actor);  // id, uri and times are filled in
  base::Result<LoggedModel> GetLoggedModel(const std::string& model_id);
  base::Result<LoggedModel> FinalizeLoggedModel(const std::string& model_id,
                                                const std::string& status,
                                                const events::Actor& actor);
  base::Status LogLoggedModelParams(const std::string& model_id, const std::vector<Param>& params);
  base::Status SetLoggedModelTags(const std::string& model_id, const Tags& tags);
  base::Status DeleteLoggedModelTag(const std::string& model_id, const std::string& key);
  base::Status DeleteLoggedModel(const std::string& model_id, const events::Actor& actor);
  base::Result<Page<LoggedModel>> SearchLoggedModels(const SearchQuery& query);

  // What a client says of a whole trace; of one that is known, it replaces what its spans said.
  base::Result<TraceInfo> PutTrace(TraceInfo info);  // gives it an id when it has none
  base::Status LogSpans(const std::string& experiment_id, const std::vector<Span>& spans);
  base::Result<std::vector<Trace>> GetTraces(
      const std::vector<std::string>& trace_ids);                        // those that are there
  base::Result<Page<TraceInfo>> SearchTraces(const SearchQuery& query);  // params are its metadata
  base::Status SetTraceTag(const std::string& trace_id, const std::string& key,
                           const std::string& value);
  base::Status DeleteTraceTag(const std::string& trace_id, const std::string& key);
  base::Result<int64_t> DeleteTraces(const TraceDeletion& deletion);  // how many

  // Where a version comes from, as the registry keeps it:
  // {"dataset_hash","dataset":{"name","source","digest","context"},
  // "git_sha","training_duration_s","params":{},"metrics":{}}; what the run does not say is left
  // out. The run may be named by itself or by the logged model it made. Duration: tag, param or
  // metric `training_duration_s`, else end - start.
  base::Result<base::Json> ReproducibilityOf(const std::string& run_id,
                                             const std::string& model_id);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace slipway::tracking
