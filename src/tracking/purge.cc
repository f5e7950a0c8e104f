// SPDX-License-Identifier: Apache-2.0
// A run's walk, its end: what was deleted long ago goes for good.
#include "tracking/purge.h"

#include <string>
#include <utility>
#include <vector>

#include "tracking/state.h"
#include "tracking/tracking.h"

namespace slipway::tracking {
namespace {

base::Status StillThere(const std::string& what) {
  return base::FailedPrecondition("not_deleted", what + " is not deleted (any more)");
}

base::Status Kept(const std::string& what, const std::string& why) {
  return base::FailedPrecondition("in_lineage", what + " stays: " + why);
}

}  // namespace

base::Result<std::vector<Deleted>> DeletedBefore(storage::Database& database, base::Micros time) {
  std::vector<Deleted> found;
  // A run has no time of deletion of its own; its event does.
  TRY(database.Read([&](storage::Transaction& transaction) -> base::Status {
    for (const storage::Row& row : TRY(transaction.Query(
             "SELECT r.run_id, r.experiment_id FROM tracking_runs r "
             "JOIN tracking_experiments x ON x.id = r.experiment_id "
             "LEFT JOIN (SELECT subject, MAX(time) AS time FROM events WHERE type = 'run.deleted' "
             "GROUP BY subject) e ON e.subject = 'run/' || r.run_id "
             "WHERE (r.deleted = 1 AND COALESCE(e.time, 0) < $1) "
             "OR (x.deleted = 1 AND x.updated_ms < $2) ORDER BY r.run_id",
             {time, time / base::kMillisecond}))) {
      found.push_back({row.Text(0), "", std::to_string(row.Int(1))});
    }
    for (const storage::Row& row :
         TRY(transaction.Query("SELECT m.model_id, m.experiment_id FROM tracking_logged_models m "
                               "JOIN tracking_experiments x ON x.id = m.experiment_id "
                               "WHERE (m.deleted = 1 AND m.updated_ms < $1) "
                               "OR (x.deleted = 1 AND x.updated_ms < $1) ORDER BY m.model_id",
                               {time / base::kMillisecond}))) {
      found.push_back({"", row.Text(0), std::to_string(row.Int(1))});
    }
    return {};
  }));
  return found;
}

base::Result<std::string> LineageOf(storage::Transaction& transaction, const Deleted& deleted,
                                    const Tracking::FindUse& kept) {
  std::string why = TRY(kept(transaction, deleted.run_id, deleted.model_id));
  if (!why.empty() || deleted.run_id.empty()) return why;
  const storage::Rows models = TRY(transaction.Query(
      "SELECT m.model_id FROM tracking_logged_models m JOIN tracking_experiments x ON x.id = "
      "m.experiment_id WHERE m.run_id = $1 AND m.deleted = 0 AND x.deleted = 0 LIMIT 1",
      {deleted.run_id}));
  if (!models.empty()) why = "logged model " + models.front().Text(0) + " comes from it";
  return why;
}

base::Status Purge(storage::Database& database, events::EventLog& events, const Deleted& deleted,
                   const Tracking::FindUse& kept, const events::Actor& actor) {
  const bool of_run = !deleted.run_id.empty();
  const std::string what = of_run ? "run " + deleted.run_id : "logged model " + deleted.model_id;
  return database.Write([&](storage::Transaction& transaction) -> base::Status {
    const std::string& id = of_run ? deleted.run_id : deleted.model_id;
    const storage::Rows now = TRY(transaction.Query(
        of_run ? "SELECT r.deleted, x.deleted FROM tracking_runs r JOIN tracking_experiments x ON "
                 "x.id = r.experiment_id WHERE r.run_id = $1"
               : "SELECT m.deleted, x.deleted FROM tracking_logged_models m JOIN "
                 "tracking_experiments x ON x.id = m.experiment_id WHERE m.model_id = $1",
        {id}));
    if (now.empty() || (now.front().Int(0) == 0 && now.front().Int(1) == 0))
      return StillThere(what);
    const std::string why = TRY(LineageOf(transaction, deleted, kept));
    if (!why.empty()) return Kept(what, why);
    static const std::vector<std::string> kOfRun = {"tracking_metrics",
                                                    "tracking_latest_metrics",
                                                    "tracking_params",
                                                    "tracking_tags",
                                                    "tracking_datasets",
                                                    "tracking_run_models",
                                                    "tracking_logged_model_metrics",
                                                    "tracking_runs"};
    static const std::vector<std::string> kOfModel = {
        "tracking_logged_model_params", "tracking_logged_model_tags",
        "tracking_logged_model_metrics", "tracking_logged_models"};
    for (const std::string& table : of_run ? kOfRun : kOfModel) {
      TRY(transaction.Execute(
          "DELETE FROM " + table + (of_run ? " WHERE run_id = $1" : " WHERE model_id = $1"), {id}));
    }
    events::Event event;
    event.type = of_run ? "run.purged" : "logged_model.purged";
    event.subject = of_run ? RunSubject(id) : LoggedModelSubject(id);
    event.actor = actor;
    event.data = base::Json::MakeObject({{"experiment", deleted.experiment_id}});
    return events.Append(transaction, std::move(event));
  });
}

base::Result<bool> Knows(storage::Database& database, ArtifactOwner owner, const std::string& id) {
  const char* query = owner == ArtifactOwner::kRun ? "SELECT 1 FROM tracking_runs WHERE run_id = $1"
                      : owner == ArtifactOwner::kLoggedModel
                          ? "SELECT 1 FROM tracking_logged_models WHERE model_id = $1"
                          : "SELECT 1 FROM tracking_traces WHERE trace_id = $1";
  return !TRY(database.Query(query, {id})).empty();
}

}  // namespace slipway::tracking
