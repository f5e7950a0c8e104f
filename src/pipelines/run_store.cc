// SPDX-License-Identifier: Apache-2.0
// Walk of a version, step "retrain": what is durable of a run before and after each of its steps.
#include "pipelines/run_store.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/status.h"
#include "pipelines/pipelines.h"
#include "pipelines/run_machine.h"
#include "pipelines/spec.h"
#include "pipelines/step_run.h"
#include "pipelines/template.h"
#include "storage/database.h"

namespace slipway::pipelines {

using base::Json;
using base::Result;
using base::Status;
using storage::SqlValue;

namespace {

using TextMap = std::map<std::string, std::string>;

SqlValue Maybe(const std::optional<int64_t>& value) {
  return value ? SqlValue(*value) : SqlValue();
}

std::string MapText(const TextMap& map) {
  Json object = Json::MakeObject();
  for (const auto& [key, value] : map) object.Set(key, value);
  return object.Dump();
}

Result<TextMap> MapFromText(const std::string& text) {
  TextMap map;
  const Json json = TRY(Json::Parse(text));
  if (!json.is_object()) return base::InvalidArgument("", "expected an object");
  for (const auto& [key, value] : json.AsObject()) {
    if (value.is_string()) map[key] = value.AsString();
  }
  return map;
}

constexpr std::string_view kRunColumns =
    "SELECT id, pipeline, state, spec, caused_by, parameters, actor, message, created, not_before, "
    "started, ended "
    "FROM pipeline_runs ";
constexpr std::string_view kStepColumns =
    "SELECT step, state, attempt, failures, losses, started, ended, exit_status, cached, message, "
    "outputs "
    "FROM pipeline_steps WHERE run = $1 ORDER BY position";

Result<LiveRun> FromRow(storage::Transaction& transaction, const storage::Row& row) {
  LiveRun run;
  RunRecord& record = run.record;
  record.id = row.Text(0);
  record.pipeline = row.Text(1);
  record.state = row.Text(2);
  run.spec = TRY(ParsePipeline(TRY(Json::Parse(row.Text(3))), "pipeline"));
  record.trigger = TRY(Json::Parse(row.Text(4)));
  record.parameters = TRY(MapFromText(row.Text(5)));
  record.actor = row.Text(6);
  record.message = row.Text(7);
  record.created = row.Int(8);
  run.not_before = row.Int(9);
  record.started = row.MaybeInt(10);
  record.ended = row.MaybeInt(11);
  for (const storage::Row& step : TRY(transaction.Query(kStepColumns, {record.id}))) {
    StepProgress progress;
    progress.state = ParseStepState(step.Text(1));
    progress.attempt = step.Int(2);
    progress.failures = step.Int(3);
    progress.losses = step.Int(4);
    run.progress.push_back(progress);
    record.steps.push_back({step.Text(0), step.Text(1), step.Int(2), step.MaybeInt(5),
                            step.MaybeInt(6), step.MaybeInt(7), step.Int(8) != 0, step.Text(9)});
    TextMap outputs = TRY(MapFromText(step.Text(10)));
    if (!outputs.empty()) record.outputs[step.Text(0)] = std::move(outputs);
  }
  return run;
}

Result<std::vector<LiveRun>> FromRows(storage::Transaction& transaction,
                                      const storage::Rows& rows) {
  std::vector<LiveRun> runs;
  for (const storage::Row& row : rows) runs.push_back(TRY(FromRow(transaction, row)));
  return runs;
}

storage::SqlParams StepValues(const LiveRun& run, size_t step) {
  const StepRecord& record = run.record.steps[step];
  const StepProgress& progress = run.progress[step];
  const auto outputs = run.record.outputs.find(record.name);
  return {run.record.id,
          record.name,
          std::string(StepStateName(progress.state)),
          progress.attempt,
          progress.failures,
          progress.losses,
          Maybe(record.started),
          Maybe(record.ended),
          Maybe(record.exit_status),
          int64_t{record.cached},
          record.message,
          outputs == run.record.outputs.end() ? std::string("{}") : MapText(outputs->second)};
}

}  // namespace

Json ToJson(const StepOutputs& outputs) {
  Json object = Json::MakeObject();
  for (const auto& [step, values] : outputs) {
    Json step_values = Json::MakeObject();
    for (const auto& [key, value] : values) step_values.Set(key, value);
    object.Set(step, std::move(step_values));
  }
  return object;
}

Status InsertRun(storage::Transaction& transaction, const LiveRun& run) {
  const RunRecord& record = run.record;
  TRY(transaction.Execute(
      "INSERT INTO pipeline_runs (id, pipeline, state, spec, caused_by, parameters, actor, "
      "message, created, not_before, "
      "started, ended) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
      {record.id, record.pipeline, record.state, ToJson(run.spec).Dump(), record.trigger.Dump(),
       MapText(record.parameters), record.actor, record.message, record.created, run.not_before,
       Maybe(record.started), Maybe(record.ended)}));
  for (size_t i = 0; i < record.steps.size(); ++i) {
    storage::SqlParams values = StepValues(run, i);
    values.emplace_back(static_cast<int64_t>(i));
    TRY(
        transaction.Execute("INSERT INTO pipeline_steps (run, step, state, attempt, failures, "
                            "losses, started, ended, exit_status, cached, "
                            "message, outputs, position) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, "
                            "$9, $10, $11, $12, $13)",
                            values));
  }
  return Status::Ok();
}

Status UpdateRun(storage::Transaction& transaction, const LiveRun& run) {
  const RunRecord& record = run.record;
  TRY(transaction.Execute(
      "UPDATE pipeline_runs SET state = $2, caused_by = $3, parameters = $4, message = $5, started "
      "= $6, ended = $7 "
      "WHERE id = $1",
      {record.id, record.state, record.trigger.Dump(), MapText(record.parameters), record.message,
       Maybe(record.started), Maybe(record.ended)}));
  return Status::Ok();
}

Status UpdateStep(storage::Transaction& transaction, const LiveRun& run, size_t step) {
  TRY(transaction.Execute(
      "UPDATE pipeline_steps SET state = $3, attempt = $4, failures = $5, losses = $6, started = "
      "$7, ended = $8, "
      "exit_status = $9, cached = $10, message = $11, outputs = $12 WHERE run = $1 AND step = $2",
      StepValues(run, step)));
  return Status::Ok();
}

Status SetStepPid(storage::Transaction& transaction, const std::string& run,
                  const std::string& step, int64_t pid) {
  TRY(transaction.Execute("UPDATE pipeline_steps SET pid = $3 WHERE run = $1 AND step = $2",
                          {run, step, pid}));
  return Status::Ok();
}

Result<std::vector<LiveRun>> ReadLiveRuns(storage::Transaction& transaction) {
  return FromRows(
      transaction,
      TRY(transaction.Query(std::string(kRunColumns) +
                            "WHERE state = 'queued' OR state = 'running' ORDER BY id")));
}

Result<std::vector<RunRecord>> ReadRuns(storage::Transaction& transaction,
                                        const std::string& pipeline, int64_t limit) {
  std::vector<RunRecord> records;
  for (LiveRun& run : TRY(FromRows(
           transaction,
           TRY(transaction.Query(std::string(kRunColumns) +
                                     "WHERE pipeline = $1 OR $1 = '' ORDER BY id DESC LIMIT $2",
                                 {pipeline, limit}))))) {
    records.push_back(std::move(run.record));
  }
  return records;
}

Result<std::optional<RunRecord>> ReadRun(storage::Transaction& transaction, const std::string& id) {
  const auto runs = TRY(FromRows(
      transaction, TRY(transaction.Query(std::string(kRunColumns) + "WHERE id = $1", {id}))));
  return runs.empty() ? std::optional<RunRecord>() : std::optional<RunRecord>(runs[0].record);
}

Result<std::map<std::string, base::Micros>> ReadLastEnds(storage::Transaction& transaction) {
  std::map<std::string, base::Micros> ends;
  for (const storage::Row& row :
       TRY(transaction.Query("SELECT pipeline, MAX(ended) FROM pipeline_runs WHERE ended IS NOT "
                             "NULL GROUP BY pipeline"))) {
    ends[row.Text(0)] = row.Int(1);
  }
  return ends;
}

Result<std::vector<std::string>> ReadOldRuns(storage::Transaction& transaction,
                                             const std::string& pipeline, int64_t keep) {
  std::vector<std::string> ids;
  for (const storage::Row& row :
       TRY(transaction.Query("SELECT id FROM pipeline_runs WHERE pipeline = $1 AND ended IS NOT "
                             "NULL ORDER BY id DESC LIMIT 20 OFFSET $2",
                             {pipeline, keep}))) {
    ids.push_back(row.Text(0));
  }
  return ids;
}

Result<std::optional<CacheEntry>> ReadCache(storage::Transaction& transaction,
                                            const std::string& key) {
  const storage::Rows rows = TRY(
      transaction.Query("SELECT run, outputs, files FROM pipeline_cache WHERE key = $1", {key}));
  if (rows.empty()) return std::optional<CacheEntry>();
  CacheEntry entry;
  entry.key = key;
  entry.run = rows[0].Text(0);
  entry.outputs = TRY(MapFromText(rows[0].Text(1)));
  entry.files = TRY(MapFromText(rows[0].Text(2)));
  return std::optional<CacheEntry>(std::move(entry));
}

Status SaveCache(storage::Transaction& transaction, const CacheEntry& entry,
                 const std::string& step, base::Micros now) {
  TRY(transaction.Execute(
      "INSERT INTO pipeline_cache (key, run, step, outputs, files, created) VALUES ($1, $2, $3, "
      "$4, $5, $6) "
      "ON CONFLICT (key) DO UPDATE SET run = excluded.run, outputs = excluded.outputs, files = "
      "excluded.files, "
      "created = excluded.created",
      {entry.key, entry.run, step, MapText(entry.outputs), MapText(entry.files), now}));
  return Status::Ok();
}

Result<Firings> ReadFirings(storage::Transaction& transaction) {
  Firings firings;
  for (const storage::Row& row :
       TRY(transaction.Query("SELECT pipeline, schedule, fired FROM pipeline_schedules"))) {
    firings[{row.Text(0), row.Text(1)}] = row.Int(2);
  }
  return firings;
}

Status SaveFiring(storage::Transaction& transaction, const std::string& pipeline,
                  const std::string& schedule, base::Micros fired) {
  TRY(transaction.Execute(
      "INSERT INTO pipeline_schedules (pipeline, schedule, fired) VALUES ($1, $2, $3) "
      "ON CONFLICT (pipeline, schedule) DO UPDATE SET fired = excluded.fired",
      {pipeline, schedule, fired}));
  return Status::Ok();
}

}  // namespace slipway::pipelines
