// SPDX-License-Identifier: Apache-2.0
// Tracking, searching: runs, experiments and logged models by filter, order and page.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"
#include "storage/database.h"
#include "tracking/search_sql.h"
#include "tracking/state.h"
#include "tracking/tracking.h"

namespace slipway::tracking {
namespace {

const Searched& SearchedRuns() {
  static const Searched kRuns = {
      .what = "run",
      .table = "tracking_runs",
      .id = "run_id",
      .columns = kRunColumns,
      .metrics = "tracking_latest_metrics",
      .metrics_id = "run_id",
      .params = "tracking_params",
      .tags = "tracking_tags",
      .tags_id = "run_id",
      .datasets = "tracking_datasets",
      .attributes =
          {{"run_id", {"s.run_id"}},
           {"run_name", {"s.name"}},
           {"status", {"s.status"}},
           {"user_id", {"s.author"}},
           {"artifact_uri",
            {"('mlflow-artifacts:/' || s.experiment_id || '/' || s.run_id || '/artifacts')"}},
           {"start_time", {"s.start_ms", true}},
           {"end_time", {"s.end_ms", true}}},
      .tie_break = "start_ms DESC, run_id",
  };
  return kRuns;
}

const Searched& SearchedExperiments() {
  static const Searched kExperiments = {
      .what = "experiment",
      .table = "tracking_experiments",
      .id = "id",
      .columns = kExperimentColumns,
      .metrics = {},
      .metrics_id = {},
      .params = {},
      .tags = "tracking_experiment_tags",
      .tags_id = "experiment_id",
      .datasets = {},
      .attributes = {{"name", {"s.name"}},
                     {"experiment_id", {"CAST(s.id AS TEXT)"}},
                     {"creation_time", {"s.created_ms", true}},
                     {"last_update_time", {"s.updated_ms", true}}},
      .tie_break = "created_ms DESC, id DESC",
  };
  return kExperiments;
}

const Searched& SearchedLoggedModels() {
  static const Searched kModels = {
      .what = "logged model",
      .table = "tracking_logged_models",
      .id = "model_id",
      .columns = kLoggedModelColumns,
      .metrics = "tracking_logged_model_metrics",
      .metrics_id = "model_id",
      .many_metrics = true,
      .params = "tracking_logged_model_params",
      .tags = "tracking_logged_model_tags",
      .tags_id = "model_id",
      .datasets = {},
      .attributes = {{"name", {"s.name"}},
                     {"model_id", {"s.model_id"}},
                     {"model_type", {"s.type"}},
                     {"status", {"s.status"}},
                     {"source_run_id", {"s.run_id"}},
                     {"experiment_id", {"CAST(s.experiment_id AS TEXT)"}},
                     {"creation_timestamp", {"s.created_ms", true}},
                     {"last_updated_timestamp", {"s.updated_ms", true}}},
      .tie_break = "created_ms DESC, model_id",
  };
  return kModels;
}

base::Status CheckPage(const SearchQuery& query) {
  if (query.limit >= 1 && query.limit <= kMostPerPage && query.offset >= 0) return {};
  return base::InvalidArgument(
      "max_results",
      "Invalid value " + std::to_string(query.limit) +
          " for parameter 'max_results' supplied: It must be at least 1 and at most " +
          std::to_string(kMostPerPage));
}

template <typename T>
void CutToLimit(Page<T>& page, int64_t limit) {
  page.more = static_cast<int64_t>(page.items.size()) > limit;
  if (page.more) page.items.resize(static_cast<size_t>(limit));
}

}  // namespace

base::Result<Page<Run>> Tracking::SearchRuns(const SearchQuery& query) {
  TRY(CheckPage(query));
  const std::string_view kind = state_->database.kind();
  const SearchSql all = TRY(BuildSearch(SearchedRuns(), query, kind));
  SearchSql leading;
  const bool leads = LeadsByMetric(SearchedRuns(), query);
  if (leads) leading = TRY(BuildSearch(SearchedRuns(), query, kind, Extent::kWithFirstMetric));
  Page<Run> page;
  if (query.experiment_ids.empty()) return page;
  TRY(state_->database.Read([&](storage::Transaction& transaction) -> base::Status {
    page = {};
    storage::Rows rows;
    if (leads) rows = TRY(transaction.Query(leading.text, leading.params));
    // A full page of those that have the metric is the page: the others come after them.
    const bool full = static_cast<int64_t>(rows.size()) > query.limit;
    if (!leads || (!full && !NeedsFirstMetric(query)))
      rows = TRY(transaction.Query(all.text, all.params));
    for (const storage::Row& row : rows) page.items.emplace_back().info = ParseRunInfo(row);
    CutToLimit(page, query.limit);
    return AddRunData(transaction, page.items);
  }));
  return page;
}

base::Result<Page<Experiment>> Tracking::SearchExperiments(const SearchQuery& query) {
  TRY(CheckPage(query));
  const SearchSql sql = TRY(BuildSearch(SearchedExperiments(), query, state_->database.kind()));
  Page<Experiment> page;
  TRY(state_->database.Read([&](storage::Transaction& transaction) -> base::Status {
    page = {};
    for (const storage::Row& row : TRY(transaction.Query(sql.text, sql.params)))
      page.items.push_back(ParseExperiment(row));
    CutToLimit(page, query.limit);
    return AddExperimentTags(transaction, page.items);
  }));
  return page;
}

base::Result<Page<LoggedModel>> Tracking::SearchLoggedModels(const SearchQuery& query) {
  TRY(CheckPage(query));
  const SearchSql sql = TRY(BuildSearch(SearchedLoggedModels(), query, state_->database.kind()));
  Page<LoggedModel> page;
  if (query.experiment_ids.empty()) return page;
  TRY(state_->database.Read([&](storage::Transaction& transaction) -> base::Status {
    page = {};
    for (const storage::Row& row : TRY(transaction.Query(sql.text, sql.params)))
      page.items.push_back(ParseLoggedModel(row));
    CutToLimit(page, query.limit);
    return AddLoggedModelData(transaction, page.items);
  }));
  return page;
}

}  // namespace slipway::tracking
