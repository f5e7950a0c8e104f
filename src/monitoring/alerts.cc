// SPDX-License-Identifier: Apache-2.0
// From findings to incidents: an episode begins with the first breach, lasts while it is not calm,
// and is told of twice.
#include "monitoring/alerts.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/ids.h"

namespace slipway::monitoring {
namespace {

constexpr int64_t kMaxAlertsInList = 1000;
constexpr std::string_view kColumns =
    "id, rule, endpoint, version, severity, state, since, resolved, value, threshold, summary, "
    "episode_key, window_start, data";

Alert FromRow(const storage::Row& row) {
  Alert alert;
  alert.id = row.Text(0);
  alert.rule = row.Text(1);
  alert.endpoint = row.Text(2);
  alert.version = row.Int(3);
  alert.severity = row.Text(4);
  alert.state = row.Text(5);
  alert.since = row.Int(6);
  alert.resolved = row.MaybeInt(7);
  alert.value = row.Double(8);
  alert.threshold = row.Double(9);
  alert.summary = row.Text(10);
  alert.episode_key = row.Text(11);
  alert.window_start = row.Int(12);
  auto data = base::Json::Parse(row.Text(13));
  if (data.ok()) alert.data = *std::move(data);
  return alert;
}

base::Result<std::optional<Alert>> FiringOf(storage::Transaction& transaction,
                                            const std::string& episode_key) {
  const storage::Rows rows =
      TRY(transaction.Query("SELECT " + std::string(kColumns) +
                                " FROM alerts WHERE episode_key = $1 AND state = 'firing'",
                            {episode_key}));
  if (rows.empty()) return std::optional<Alert>();
  return std::optional<Alert>(FromRow(rows[0]));
}

void Fill(Alert& alert, const Finding& finding) {
  alert.value = finding.value;
  alert.threshold = finding.threshold;
  alert.summary = finding.summary;
  alert.window_start = finding.window_start;
  alert.data = finding.data;
}

base::Status Update(storage::Transaction& transaction, const Alert& alert) {
  const storage::SqlValue resolved =
      alert.resolved ? storage::SqlValue(*alert.resolved) : storage::SqlValue();
  TRY(
      transaction.Execute("UPDATE alerts SET state = $2, resolved = $3, value = $4, threshold = "
                          "$5, summary = $6, window_start = $7, data = $8 "
                          "WHERE id = $1",
                          {alert.id, alert.state, resolved, alert.value, alert.threshold,
                           alert.summary, alert.window_start, alert.data.Dump()}));
  return base::Status::Ok();
}

}  // namespace

base::Json ToJson(const Alert& alert) {
  return base::Json::MakeObject({
      {"id", alert.id},
      {"rule", alert.rule},
      {"endpoint", alert.endpoint},
      {"version", alert.version},
      {"severity", alert.severity},
      {"state", alert.state},
      {"since", base::FormatTime(alert.since)},
      {"resolved", alert.resolved ? base::Json(base::FormatTime(*alert.resolved)) : base::Json()},
      {"value", alert.value},
      {"threshold", alert.threshold},
      {"summary", alert.summary},
      {"episode_key", alert.episode_key},
      {"data", alert.data},
  });
}

Alerts::Alerts(storage::Database& database, events::EventLog& events,
               std::vector<std::string> sinks)
    : database_(database), events_(events), sinks_(std::move(sinks)) {}

base::Status Alerts::Announce(storage::Transaction& transaction, const Alert& alert,
                              base::Micros now) {
  events::Event event;
  event.type = "alert." + alert.state;
  event.subject = "endpoint/" + alert.endpoint + "/version/" + std::to_string(alert.version);
  event.actor = events::Internal("monitoring");
  event.data = ToJson(alert);
  TRY(events_.Append(transaction, event));
  for (const std::string& sink : sinks_) {
    const storage::Rows last = TRY(transaction.Query("SELECT MAX(sequence) FROM alert_outbox"));
    const base::Json body = base::Json::MakeObject(
        {{"type", event.type}, {"timestamp", base::FormatTime(now)}, {"data", ToJson(alert)}});
    TRY(transaction.Execute(
        "INSERT INTO alert_outbox (sequence, id, sink, type, incident, body, created, state, "
        "attempts, "
        "next_attempt, detail) VALUES ($1, $2, $3, $4, $5, $6, $7, 'waiting', 0, $7, '')",
        {last[0].Int(0) + 1, "msg_" + base::NewUlid(now), sink, event.type, alert.id, body.Dump(),
         now}));
  }
  return base::Status::Ok();
}

base::Status Alerts::Resolve(storage::Transaction& transaction, Alert alert, const std::string& why,
                             base::Micros now) {
  alert.state = "resolved";
  alert.resolved = now;
  alert.data.Set("resolved_because", why);
  TRY(Update(transaction, alert));
  return Announce(transaction, alert, now);
}

base::Status Alerts::Apply(storage::Transaction& transaction, const Finding& finding,
                           base::Micros now) {
  const std::string key =
      finding.rule + "/" + finding.endpoint + "/" + std::to_string(finding.version);
  std::optional<Alert> firing = TRY(FiringOf(transaction, key));
  if (!firing) {
    // A late verdict about a window from before the last episode's end opens nothing.
    const storage::Rows last = TRY(
        transaction.Query("SELECT MAX(window_start) FROM alerts WHERE episode_key = $1", {key}));
    const bool late = last[0].MaybeInt(0).has_value() && finding.window_start <= last[0].Int(0);
    if (!finding.breached || late) return base::Status::Ok();
    Alert alert;
    alert.id = base::NewUlid(now);
    alert.rule = finding.rule;
    alert.endpoint = finding.endpoint;
    alert.version = finding.version;
    alert.severity = finding.severity;
    alert.state = "firing";
    alert.since = now;
    alert.episode_key = key;
    Fill(alert, finding);
    TRY(transaction.Execute(
        "INSERT INTO alerts (" + std::string(kColumns) +
            ") VALUES ($1, $2, $3, $4, $5, $6, $7, NULL, $8, $9, $10, $11, $12, $13)",
        {alert.id, alert.rule, alert.endpoint, alert.version, alert.severity, alert.state,
         alert.since, alert.value, alert.threshold, alert.summary, alert.episode_key,
         alert.window_start, alert.data.Dump()}));
    return Announce(transaction, alert, now);
  }
  if (finding.window_start <= firing->window_start) return base::Status::Ok();
  Fill(*firing, finding);
  if (finding.calm)
    return Resolve(transaction, *std::move(firing), "back under the threshold", now);
  return Update(transaction, *firing);
}

base::Status Alerts::ResolveGone(storage::Transaction& transaction, const std::string& endpoint,
                                 const std::vector<int64_t>& serving, base::Micros now) {
  const storage::Rows rows = TRY(transaction.Query(
      "SELECT " + std::string(kColumns) + " FROM alerts WHERE endpoint = $1 AND state = 'firing'",
      {endpoint}));
  for (const storage::Row& row : rows) {
    Alert alert = FromRow(row);
    if (std::find(serving.begin(), serving.end(), alert.version) != serving.end()) continue;
    TRY(Resolve(transaction, std::move(alert), "the version no longer answers", now));
  }
  return base::Status::Ok();
}

base::Result<std::vector<Alert>> Alerts::List(const AlertFilter& filter) {
  if (filter.limit < 1 || filter.limit > kMaxAlertsInList) {
    return base::InvalidArgument("limit", "expected 1 to " + std::to_string(kMaxAlertsInList));
  }
  const storage::Rows rows =
      TRY(database_.Query("SELECT " + std::string(kColumns) +
                              " FROM alerts WHERE ($1 = '' OR state = $1) AND ($2 = '' OR endpoint "
                              "= $2) ORDER BY since DESC, id DESC LIMIT $3",
                          {filter.state, filter.endpoint, filter.limit}));
  std::vector<Alert> alerts;
  for (const storage::Row& row : rows) alerts.push_back(FromRow(row));
  return alerts;
}

}  // namespace slipway::monitoring
