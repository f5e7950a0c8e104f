// SPDX-License-Identifier: Apache-2.0
// Tracking, traces: what a program did in answer to one request, as its spans come in, and what the
// client says of the whole at its end.
#include "tracking/traces.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/status.h"
#include "storage/database.h"
#include "tracking/search_sql.h"
#include "tracking/state.h"
#include "tracking/tracking.h"

namespace slipway::tracking {
namespace {

constexpr size_t kMostIds = 500;
constexpr int64_t kNsPerMs = 1'000'000;
constexpr std::string_view kColumns =
    "trace_id, experiment_id, client_request_id, request_preview, response_preview, request_ms, "
    "duration_ms, state";
constexpr std::string_view kNameTag = "mlflow.traceName";
// Tells clients that spans are read from the server, not from an artifact.
constexpr std::string_view kSpansTag = "mlflow.trace.spansLocation";
constexpr std::string_view kSpansHere = "TRACKING_STORE";
constexpr std::string_view kArtifactTag = "mlflow.artifactLocation";

const Searched& SearchedTraces() {
  static const Searched kTraces = {
      .what = "trace",
      .table = "tracking_traces",
      .id = "trace_id",
      .columns = kColumns,
      .metrics = {},
      .metrics_id = {},
      .params = "tracking_trace_metadata",
      .tags = "tracking_trace_tags",
      .tags_id = "trace_id",
      .datasets = {},
      .attributes = {{"request_id", {"s.trace_id"}},
                     {"client_request_id", {"s.client_request_id"}},
                     {"status", {"s.state"}},
                     {"experiment_id", {"CAST(s.experiment_id AS TEXT)"}},
                     {"timestamp_ms", {"s.request_ms", true}},
                     {"execution_time_ms", {"s.duration_ms", true}},
                     {"end_time_ms", {"(s.request_ms + s.duration_ms)", true}}},
      .tie_break = "request_ms DESC, trace_id",
  };
  return kTraces;
}

TraceInfo ParseTrace(const storage::Row& row) {
  TraceInfo info;
  info.trace_id = row.Text(0);
  info.experiment_id = std::to_string(row.Int(1));
  info.client_request_id = row.Text(2);
  info.request_preview = row.Text(3);
  info.response_preview = row.Text(4);
  info.request_ms = row.Int(5);
  info.duration_ms = row.MaybeInt(6);
  info.state = row.Text(7);
  return info;
}

base::Status AddTexts(storage::Transaction& transaction, std::vector<TraceInfo>& infos) {
  std::map<std::string, TraceInfo*> by_id;
  for (TraceInfo& info : infos) by_id[info.trace_id] = &info;
  for (size_t first = 0; first < infos.size(); first += kMostIds) {
    const size_t count = std::min(kMostIds, infos.size() - first);
    storage::SqlParams ids;
    for (size_t i = first; i < first + count; ++i) ids.emplace_back(infos[i].trace_id);
    const std::string among = " WHERE trace_id IN (" + Placeholders(0, count) + ")";
    for (const storage::Row& row : TRY(transaction.Query(
             "SELECT trace_id, key, value FROM tracking_trace_tags" + among, ids)))
      by_id[row.Text(0)]->tags[row.Text(1)] = row.Text(2);
    for (const storage::Row& row : TRY(transaction.Query(
             "SELECT trace_id, key, value FROM tracking_trace_metadata" + among, ids)))
      by_id[row.Text(0)]->metadata[row.Text(1)] = row.Text(2);
  }
  return {};
}

base::Status PutText(storage::Transaction& transaction, std::string_view table,
                     const std::string& trace_id, std::string_view key, std::string_view value,
                     bool replace = true) {
  return transaction
      .Execute(
          "INSERT INTO " + std::string(table) +
              " (trace_id, key, value) VALUES ($1, $2, $3) ON CONFLICT " +
              (replace ? "(trace_id, key) DO UPDATE SET value = excluded.value" : "DO NOTHING"),
          {trace_id, std::string(key), std::string(value)})
      .status();
}

base::Status RequireTrace(storage::Transaction& transaction, const std::string& trace_id) {
  const storage::Rows rows =
      TRY(transaction.Query("SELECT 1 FROM tracking_traces WHERE trace_id = $1", {trace_id}));
  if (!rows.empty()) return {};
  return base::NotFound("trace_not_found", "Trace with ID '" + trace_id + "' not found.");
}

base::Status PutPlace(storage::Transaction& transaction, const std::string& trace_id,
                      const std::string& experiment_id) {
  return PutText(
      transaction, "tracking_trace_tags", trace_id, kArtifactTag,
      std::string(kArtifactScheme) + experiment_id + "/traces/" + trace_id + "/artifacts");
}

base::Status PutSpan(storage::Transaction& transaction, const std::string& experiment_id,
                     const Span& span) {
  TRY(transaction.Execute(
      "INSERT INTO tracking_traces (trace_id, experiment_id, client_request_id, request_preview, "
      "response_preview, request_ms, duration_ms, state, reported) VALUES ($1, $2, '', '', '', $3, "
      "NULL, 'IN_PROGRESS', 0) ON CONFLICT DO NOTHING",
      {span.trace_id, TRY(ParseExperimentId(experiment_id)), span.start_ns / kNsPerMs}));
  if (span.is_root) {
    // What the client reports of the whole trace outranks its root span.
    TRY(transaction.Execute(
        "UPDATE tracking_traces SET request_ms = $2, duration_ms = $3, state = $4 WHERE trace_id = "
        "$1 AND reported = 0",
        {span.trace_id, span.start_ns / kNsPerMs, (span.end_ns - span.start_ns) / kNsPerMs,
         std::string(span.failed ? "ERROR" : "OK")}));
    TRY(PutText(transaction, "tracking_trace_tags", span.trace_id, kNameTag, span.name, false));
  }
  TRY(PutPlace(transaction, span.trace_id, experiment_id));
  TRY(PutText(transaction, "tracking_trace_tags", span.trace_id, kSpansTag, kSpansHere));
  return transaction
      .Execute(
          "INSERT INTO tracking_spans (trace_id, span_id, start_ns, content) VALUES ($1, $2, "
          "$3, $4) ON CONFLICT (trace_id, span_id) DO UPDATE SET start_ns = "
          "excluded.start_ns, content = excluded.content",
          {span.trace_id, span.span_id, span.start_ns, span.content})
      .status();
}

}  // namespace

base::Result<TraceInfo> Tracking::PutTrace(TraceInfo info) {
  if (info.trace_id.empty()) info.trace_id = "tr-" + base::RandomHex32();
  TRY(CheckKey("trace", info.trace_id));
  TRY(state_->database.Write([&](storage::Transaction& transaction) -> base::Status {
    TRY(RequireActive(TRY(LoadExperiment(transaction, info.experiment_id))));
    TRY(transaction.Execute(
        "INSERT INTO tracking_traces (trace_id, experiment_id, client_request_id, "
        "request_preview, response_preview, request_ms, duration_ms, state, reported) VALUES ($1, "
        "$2, $3, $4, $5, $6, $7, $8, 1) ON CONFLICT (trace_id) DO UPDATE SET client_request_id = "
        "excluded.client_request_id, request_preview = excluded.request_preview, response_preview "
        "= excluded.response_preview, request_ms = excluded.request_ms, duration_ms = "
        "excluded.duration_ms, state = excluded.state, reported = 1",
        {info.trace_id, TRY(ParseExperimentId(info.experiment_id)), info.client_request_id,
         info.request_preview, info.response_preview, info.request_ms,
         info.duration_ms ? storage::SqlValue(*info.duration_ms) : storage::SqlValue(),
         info.state}));
    for (const auto& [key, value] : info.tags)
      TRY(PutText(transaction, "tracking_trace_tags", info.trace_id, key, value));
    for (const auto& [key, value] : info.metadata)
      TRY(PutText(transaction, "tracking_trace_metadata", info.trace_id, key, value));
    return PutPlace(transaction, info.trace_id, info.experiment_id);
  }));
  return TRY(GetTraces({info.trace_id})).front().info;
}

base::Status Tracking::LogSpans(const std::string& experiment_id, const std::vector<Span>& spans) {
  TRY(CheckCount("spans", spans.size(), kMostSpansPerCall));
  return state_->database.Write([&](storage::Transaction& transaction) -> base::Status {
    TRY(RequireActive(TRY(LoadExperiment(transaction, experiment_id))));
    for (const Span& span : spans) TRY(PutSpan(transaction, experiment_id, span));
    return {};
  });
}

base::Result<std::vector<Trace>> Tracking::GetTraces(const std::vector<std::string>& trace_ids) {
  TRY(CheckCount("trace_ids", trace_ids.size(), kMostIds));
  std::vector<Trace> traces;
  if (trace_ids.empty()) return traces;
  const storage::SqlParams ids(trace_ids.begin(), trace_ids.end());
  const std::string among = "WHERE trace_id IN (" + Placeholders(0, ids.size()) + ")";
  TRY(state_->database.Read([&](storage::Transaction& transaction) -> base::Status {
    traces.clear();
    std::vector<TraceInfo> infos;
    for (const storage::Row& row : TRY(transaction.Query(
             "SELECT " + std::string(kColumns) + " FROM tracking_traces " + among, ids)))
      infos.push_back(ParseTrace(row));
    TRY(AddTexts(transaction, infos));
    std::map<std::string, std::vector<std::string>> spans;
    for (const storage::Row& row : TRY(transaction.Query(
             "SELECT trace_id, content FROM tracking_spans " + among + " ORDER BY start_ns", ids)))
      spans[row.Text(0)].push_back(row.Text(1));
    for (const std::string& id : trace_ids) {
      const auto info = std::ranges::find(infos, id, &TraceInfo::trace_id);
      if (info != infos.end()) traces.push_back({*info, std::move(spans[id])});
    }
    return {};
  }));
  return traces;
}

base::Result<Page<TraceInfo>> Tracking::SearchTraces(const SearchQuery& query) {
  SearchQuery all = query;
  all.view = View::kAll;  // a deleted trace is gone
  const SearchSql sql = TRY(BuildSearch(SearchedTraces(), all, state_->database.kind()));
  Page<TraceInfo> page;
  if (query.experiment_ids.empty()) return page;
  TRY(state_->database.Read([&](storage::Transaction& transaction) -> base::Status {
    page = {};
    for (const storage::Row& row : TRY(transaction.Query(sql.text, sql.params)))
      page.items.push_back(ParseTrace(row));
    page.more = static_cast<int64_t>(page.items.size()) > query.limit;
    if (page.more) page.items.pop_back();
    return AddTexts(transaction, page.items);
  }));
  return page;
}

base::Status Tracking::SetTraceTag(const std::string& trace_id, const std::string& key,
                                   const std::string& value) {
  TRY(CheckTags({{key, value}}, 1));
  return state_->database.Write([&](storage::Transaction& transaction) -> base::Status {
    TRY(RequireTrace(transaction, trace_id));
    return PutText(transaction, "tracking_trace_tags", trace_id, key, value);
  });
}

base::Status Tracking::DeleteTraceTag(const std::string& trace_id, const std::string& key) {
  return state_->database.Write([&](storage::Transaction& transaction) -> base::Status {
    TRY(RequireTrace(transaction, trace_id));
    const int64_t gone = TRY(transaction.Execute(
        "DELETE FROM tracking_trace_tags WHERE trace_id = $1 AND key = $2", {trace_id, key}));
    if (gone > 0) return {};
    return base::NotFound("tag_not_found", "No trace tag with key '" + key +
                                               "' for trace with ID '" + trace_id + "'.");
  });
}

base::Result<int64_t> Tracking::DeleteTraces(const TraceDeletion& deletion) {
  TRY(CheckCount("request_ids", deletion.trace_ids.size(), kMostIds));
  if (deletion.trace_ids.empty() && !deletion.until_ms) {
    return base::InvalidArgument(
        "max_timestamp_millis",
        "Either `max_timestamp_millis` or `request_ids` must be specified.");
  }
  storage::SqlParams params = {TRY(ParseExperimentId(deletion.experiment_id))};
  std::string which = "SELECT trace_id FROM tracking_traces WHERE experiment_id = $1";
  if (!deletion.trace_ids.empty()) {
    which += " AND trace_id IN (" + Placeholders(1, deletion.trace_ids.size()) + ")";
    for (const std::string& id : deletion.trace_ids) params.emplace_back(id);
  } else {
    params.emplace_back(*deletion.until_ms);
    which += " AND request_ms <= $2 ORDER BY request_ms";
    if (deletion.most) {
      params.emplace_back(*deletion.most);
      which += " LIMIT $3";
    }
  }
  int64_t deleted = 0;
  TRY(state_->database.Write([&](storage::Transaction& transaction) -> base::Status {
    const storage::Rows rows = TRY(transaction.Query(which, params));
    deleted = static_cast<int64_t>(rows.size());
    for (const storage::Row& row : rows) {
      for (const char* table : {"tracking_trace_tags", "tracking_trace_metadata", "tracking_spans",
                                "tracking_traces"}) {
        TRY(transaction.Execute("DELETE FROM " + std::string(table) + " WHERE trace_id = $1",
                                {row.Text(0)}));
      }
    }
    return {};
  }));
  return deleted;
}

}  // namespace slipway::tracking
