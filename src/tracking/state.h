// SPDX-License-Identifier: Apache-2.0
// What tracking's source files share: checks at the door, rows to values, events.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tracking/tracking.h"

namespace slipway::tracking {

struct Tracking::State {
  storage::Database& database;
  events::EventLog& events;
  base::Clock& clock;
  FindUse find_use;

  // kFailedPrecondition (run_in_use, logged_model_in_use) naming the version that needs it.
  base::Status RequireUnused(storage::Transaction& transaction, const std::string& run_id,
                             const std::string& model_id) const;
  [[nodiscard]] int64_t NowMs() const { return clock.Now() / base::kMillisecond; }
  base::Status Emit(storage::Transaction& transaction, std::string type, std::string subject,
                    const events::Actor& actor, base::Json data);
};

// "run/<id>" ... subjects of events.
std::string ExperimentSubject(std::string_view id);
std::string RunSubject(std::string_view run_id);
std::string LoggedModelSubject(std::string_view model_id);

base::Status CheckKey(std::string_view what, const std::string& key);
base::Status CheckTags(const Tags& tags, size_t most);
base::Status CheckParams(const std::vector<Param>& params);
base::Status CheckCount(std::string_view what, size_t count, size_t most);

// "$4, $5, $6" for `count` parameters after the first `before` ones.
std::string Placeholders(size_t before, size_t count);

base::Result<int64_t> ParseExperimentId(
    const std::string& id);  // kNotFound when it is not a number
base::Result<Experiment> LoadExperiment(storage::Transaction& transaction, const std::string& id);
base::Status RequireActive(const Experiment& experiment);
base::Result<RunInfo> LoadRunInfo(storage::Transaction& transaction, const std::string& run_id);
base::Status RequireActive(const RunInfo& run);
base::Result<LoggedModel> LoadLoggedModel(storage::Transaction& transaction,
                                          const std::string& model_id);

// The columns that ParseRunInfo and ParseLoggedModel read, in their order, of a table or subquery
// with these names.
inline constexpr std::string_view kRunColumns =
    "run_id, experiment_id, name, status, start_ms, end_ms, deleted, author";
inline constexpr std::string_view kLoggedModelColumns =
    "model_id, experiment_id, name, status, status_message, type, run_id, created_ms, updated_ms";
inline constexpr std::string_view kExperimentColumns = "id, name, deleted, created_ms, updated_ms";
RunInfo ParseRunInfo(const storage::Row& row);
LoggedModel ParseLoggedModel(const storage::Row& row);
Experiment ParseExperiment(const storage::Row& row);

// Fills in what belongs to each; ids are asked for in bounded groups.
base::Status AddRunData(storage::Transaction& transaction, std::vector<Run>& runs);
base::Status AddLoggedModelData(storage::Transaction& transaction,
                                std::vector<LoggedModel>& models);
base::Status AddExperimentTags(storage::Transaction& transaction,
                               std::vector<Experiment>& experiments);

// The history, what it says of logged models, and the latest of each key.
base::Status WriteMetrics(storage::Transaction& transaction, const std::string& run_id,
                          const std::vector<Metric>& metrics);
base::Status WriteModelMetrics(storage::Transaction& transaction, const std::string& run_id,
                               const std::vector<Metric>& metrics);
base::Status WriteDataset(storage::Transaction& transaction, const std::string& run_id,
                          const DatasetInput& dataset);
base::Status WriteTags(storage::Transaction& transaction, const std::string& run_id,
                       const Tags& tags);

}  // namespace slipway::tracking
