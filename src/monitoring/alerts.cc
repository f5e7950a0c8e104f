// SPDX-License-Identifier: Apache-2.0
// From findings to incidents: an episode begins with the first breach, is pending for as long as
// its rule wants, lasts while it is not calm, and is told of twice.
#include "monitoring/alerts.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "base/ids.h"
#include "monitoring/alert_rows.h"

namespace slipway::monitoring {
namespace {

constexpr int64_t kMaxAlertsInList = 1000;

const std::string& Select() {
  static const std::string select = "SELECT " + std::string(kAlertColumns) + " FROM alerts ";
  return select;
}

std::vector<Alert> FromRows(const storage::Rows& rows) {
  std::vector<Alert> alerts;
  alerts.reserve(rows.size());
  for (const storage::Row& row : rows) alerts.push_back(AlertFromRow(row));
  return alerts;
}

std::string KeyOf(const Finding& finding) {
  return finding.rule + "/" + finding.endpoint + "/" + std::to_string(finding.version);
}

void Fill(Alert& alert, const Finding& finding) {
  alert.severity = finding.severity;
  alert.value = finding.value;
  alert.threshold = finding.threshold;
  alert.summary = finding.summary;
  alert.window_start = finding.window_start;
  alert.data = finding.data;
  alert.labels = finding.labels;
  alert.runbook = finding.runbook;
}

// A second that brings nothing but another value of a live rule is not worth a commit.
bool WorthWriting(const Alert& alert, const Finding& finding) {
  return finding.version != 0 || finding.window_start - alert.window_start >= base::kMinute;
}

}  // namespace

Alerts::Alerts(storage::Database& database, events::EventLog& events,
               std::vector<std::string> sinks)
    : database_(database), events_(events), sinks_(std::move(sinks)) {}

void Alerts::SetRoutes(std::vector<AlertRoute> routes) { routes_ = std::move(routes); }

base::Result<std::vector<AlertRoute>> Alerts::ReadRoutes(const base::Json& json,
                                                         const std::vector<std::string>& sinks) {
  std::vector<AlertRoute> routes;
  if (json.is_null()) return routes;
  if (!json.is_array())
    return base::InvalidArgument("alerts.routes", "expected a list of {match, sinks}");
  for (const base::Json& item : json.AsArray()) {
    const std::string field = "alerts.routes[" + std::to_string(routes.size()) + "]";
    if (!item.is_object()) return base::InvalidArgument(field, "expected {match, sinks}");
    TRY(base::RequireOnly(item, {"match", "sinks"}).Annotate(field));
    AlertRoute route;
    if (item.Find("match") != nullptr)
      route.match = TRY(ReadMatcher(*item.Find("match"), field + ".match"));
    const base::Json* names = item.Find("sinks");
    if (names == nullptr || !names->is_array())
      return base::InvalidArgument(field + ".sinks", "expected a list of sinks (may be empty)");
    for (const base::Json& name : names->AsArray()) {
      const bool known =
          name.is_string() && std::find(sinks.begin(), sinks.end(), name.AsString()) != sinks.end();
      if (!known) {
        std::string configured;
        for (const std::string& sink : sinks) configured += (configured.empty() ? "" : ", ") + sink;
        return base::InvalidArgument(
            field + ".sinks",
            "no sink " + name.Dump() + " is configured; expected one of: " + configured);
      }
      route.sinks.push_back(name.AsString());
    }
    routes.push_back(std::move(route));
  }
  return routes;
}

std::vector<std::string> Alerts::SinksFor(const Alert& alert) const {
  const auto labels = LabelsOf(alert);
  for (const AlertRoute& route : routes_) {
    const Silence matcher{.id = {}, .matcher = route.match, .who = {}, .why = {}};
    if (route.match.empty() || FindSilence({matcher}, labels) != nullptr) return route.sinks;
  }
  return sinks_;
}

base::Status Alerts::WriteEvent(storage::Transaction& transaction, const std::string& type,
                                const Alert& alert, const events::Actor& actor) {
  events::Event event;
  event.type = type;
  event.subject = "endpoint/" + alert.endpoint + "/version/" + std::to_string(alert.version);
  event.actor = actor;
  event.data = ToJson(alert);
  return events_.Append(transaction, event);
}

base::Status Alerts::Queue(storage::Transaction& transaction, const std::string& type,
                           const Alert& alert, base::Micros now) {
  for (const std::string& sink : SinksFor(alert)) {
    const storage::Rows last = TRY(transaction.Query("SELECT MAX(sequence) FROM alert_outbox"));
    const base::Json body = base::Json::MakeObject(
        {{"type", type}, {"timestamp", base::FormatTime(now)}, {"data", ToJson(alert)}});
    TRY(transaction.Execute(
        "INSERT INTO alert_outbox (sequence, id, sink, type, incident, body, created, state, "
        "attempts, "
        "next_attempt, detail) VALUES ($1, $2, $3, $4, $5, $6, $7, 'waiting', 0, $7, '')",
        {last[0].Int(0) + 1, "msg_" + base::NewUlid(now), sink, type, alert.id, body.Dump(), now}));
  }
  return base::Status::Ok();
}

base::Status Alerts::Fire(storage::Transaction& transaction, Alert& alert, base::Micros now) {
  alert.state = "firing";
  alert.since = now;
  const std::vector<Silence> silences = TRY(Silences::Active(transaction, now));
  const Silence* silence = FindSilence(silences, LabelsOf(alert));
  alert.told = silence == nullptr;
  alert.silenced_by = silence == nullptr ? "" : silence->id;
  TRY(WriteEvent(transaction, "alert.firing", alert, events::Internal("monitoring")));
  return alert.told ? Queue(transaction, "alert.firing", alert, now) : base::Status::Ok();
}

base::Status Alerts::Resolve(storage::Transaction& transaction, Alert alert, const std::string& why,
                             base::Micros now) {
  if (alert.state == "pending") {
    TRY(transaction.Execute("DELETE FROM alerts WHERE id = $1", {alert.id}));
    return base::Status::Ok();
  }
  alert.state = "resolved";
  alert.resolved = now;
  alert.data.Set("resolved_because", why);
  TRY(UpdateAlert(transaction, alert));
  TRY(WriteEvent(transaction, "alert.resolved", alert, events::Internal("monitoring")));
  return alert.told ? Queue(transaction, "alert.resolved", alert, now) : base::Status::Ok();
}

base::Status Alerts::Begin(storage::Transaction& transaction, const Finding& finding,
                           const std::string& key, base::Micros now) {
  // A late verdict about a window from before the last episode's end opens nothing.
  const storage::Rows last =
      TRY(transaction.Query("SELECT MAX(window_start) FROM alerts WHERE episode_key = $1", {key}));
  const bool late = last[0].MaybeInt(0).has_value() && finding.window_start <= last[0].Int(0);
  if (!finding.breached || late) return base::Status::Ok();
  Alert alert;
  alert.id = base::NewUlid(now);
  alert.rule = finding.rule;
  alert.endpoint = finding.endpoint;
  alert.version = finding.version;
  alert.state = "pending";
  alert.told = false;
  alert.since = now;
  alert.pending_since = now;
  alert.episode_key = key;
  Fill(alert, finding);
  if (finding.hold == 0 && finding.windows <= 1) TRY(Fire(transaction, alert, now));
  return InsertAlert(transaction, alert);
}

base::Status Alerts::Continue(storage::Transaction& transaction, Alert alert,
                              const Finding& finding, base::Micros now) {
  if (alert.state == "firing") {
    if (!finding.calm && !WorthWriting(alert, finding)) return base::Status::Ok();
    Fill(alert, finding);
    if (finding.calm)
      return Resolve(transaction, std::move(alert), "back under the threshold", now);
    return UpdateAlert(transaction, alert);
  }
  if (!finding.breached) return Resolve(transaction, std::move(alert), "", now);
  const bool due =
      alert.breaches + 1 >= finding.windows && now - alert.pending_since >= finding.hold;
  if (!due && !WorthWriting(alert, finding)) return base::Status::Ok();
  Fill(alert, finding);
  ++alert.breaches;
  if (due) TRY(Fire(transaction, alert, now));
  return UpdateAlert(transaction, alert);
}

base::Status Alerts::Apply(storage::Transaction& transaction, const Finding& finding,
                           base::Micros now) {
  const std::string key = KeyOf(finding);
  const std::vector<Alert> open = FromRows(TRY(transaction.Query(
      Select() + "WHERE episode_key = $1 AND state IN ('pending', 'firing')", {key})));
  if (open.empty()) return Begin(transaction, finding, key, now);
  if (finding.window_start <= open[0].window_start) return base::Status::Ok();
  return Continue(transaction, open[0], finding, now);
}

base::Result<std::vector<Alert>> Alerts::ListOpen(storage::Transaction& transaction) {
  return FromRows(
      TRY(transaction.Query(Select() + "WHERE state IN ('pending', 'firing') ORDER BY since, id")));
}

base::Status Alerts::ApplyLive(storage::Transaction& transaction,
                               const std::vector<Finding>& findings,
                               const std::function<bool(const std::string& rule)>& is_live,
                               base::Micros now) {
  std::set<std::string> open;
  for (const Alert& alert : TRY(ListOpen(transaction))) {
    if (is_live(alert.rule)) open.insert(alert.episode_key);
  }
  std::set<std::string> silent = open;
  for (const Finding& finding : findings) {
    const std::string key = KeyOf(finding);
    silent.erase(key);
    if (finding.breached || open.contains(key)) TRY(Apply(transaction, finding, now));
  }
  const auto gone = [&](const Alert& alert) -> std::string {
    return silent.contains(alert.episode_key) ? "too few requests to judge" : "";
  };
  return silent.empty() ? base::Status::Ok() : ResolveWhere(transaction, gone, now);
}

base::Status Alerts::ResolveWhere(storage::Transaction& transaction,
                                  const std::function<std::string(const Alert&)>& gone,
                                  base::Micros now) {
  for (Alert& alert : TRY(ListOpen(transaction))) {
    const std::string why = gone(alert);
    if (!why.empty()) TRY(Resolve(transaction, std::move(alert), why, now));
  }
  return base::Status::Ok();
}

base::Status Alerts::TellUnsilenced(base::Micros now) {
  const storage::Rows untold =
      TRY(database_.Query("SELECT COUNT(*) FROM alerts WHERE state = 'firing' AND told = 0"));
  if (untold[0].Int(0) == 0) return base::Status::Ok();
  return database_.Write([&](storage::Transaction& transaction) -> base::Status {
    const std::vector<Silence> silences = TRY(Silences::Active(transaction, now));
    for (Alert& alert : FromRows(TRY(
             transaction.Query(Select() + "WHERE state = 'firing' AND told = 0 ORDER BY id")))) {
      if (FindSilence(silences, LabelsOf(alert)) != nullptr) continue;
      alert.told = true;
      TRY(UpdateAlert(transaction, alert));
      TRY(Queue(transaction, "alert.firing", alert, now));
    }
    return base::Status::Ok();
  });
}

base::Result<Alert> Alerts::Acknowledge(const std::string& id, const events::Actor& actor,
                                        const std::string& why, base::Micros now) {
  Alert alert;
  TRY(database_.Write([&](storage::Transaction& transaction) -> base::Status {
    const auto found = FromRows(TRY(transaction.Query(Select() + "WHERE id = $1", {id})));
    if (found.empty()) return base::NotFound("alert_not_found", "no alert '" + id + "'");
    alert = found[0];
    if (alert.state != "firing")
      return base::FailedPrecondition("alert_not_firing", "this alert is " + alert.state);
    if (alert.acknowledged) return base::Status::Ok();
    alert.acknowledged = now;
    alert.acknowledged_by = actor.name;
    alert.acknowledged_why = why;
    TRY(UpdateAlert(transaction, alert));
    TRY(WriteEvent(transaction, "alert.acknowledged", alert, actor));
    return alert.told ? Queue(transaction, "alert.acknowledged", alert, now) : base::Status::Ok();
  }));
  return alert;
}

base::Result<std::vector<Alert>> Alerts::List(const AlertFilter& filter, base::Micros now) {
  if (filter.limit < 1 || filter.limit > kMaxAlertsInList) {
    return base::InvalidArgument("limit", "expected 1 to " + std::to_string(kMaxAlertsInList));
  }
  const bool silenced = filter.state == "silenced";
  std::vector<Alert> alerts;
  std::vector<Silence> silences;
  TRY(database_.Read([&](storage::Transaction& transaction) -> base::Status {
    silences = TRY(Silences::Active(transaction, now));
    alerts = FromRows(TRY(transaction.Query(
        Select() +
            "WHERE ($1 = '' OR state = $1) AND ($2 = '' OR endpoint = $2) ORDER BY since DESC, id "
            "DESC LIMIT $3",
        {silenced ? std::string("firing") : filter.state, filter.endpoint,
         silenced ? kMaxAlertsInList : filter.limit})));
    return base::Status::Ok();
  }));
  for (Alert& alert : alerts) {
    const Silence* silence =
        alert.state == "resolved" ? nullptr : FindSilence(silences, LabelsOf(alert));
    if (silence != nullptr) alert.silenced_by = silence->id;
  }
  if (silenced) {
    std::erase_if(alerts, [](const Alert& alert) { return alert.silenced_by.empty(); });
    if (alerts.size() > static_cast<size_t>(filter.limit))
      alerts.resize(static_cast<size_t>(filter.limit));
  }
  return alerts;
}

base::Result<Alert> Alerts::Get(const std::string& id, base::Micros now) {
  const auto found = FromRows(TRY(database_.Query(Select() + "WHERE id = $1", {id})));
  if (found.empty()) return base::NotFound("alert_not_found", "no alert '" + id + "'");
  Alert alert = found[0];
  TRY(database_.Read([&](storage::Transaction& transaction) -> base::Status {
    const auto silences = TRY(Silences::Active(transaction, now));
    const Silence* silence =
        alert.state == "resolved" ? nullptr : FindSilence(silences, LabelsOf(alert));
    if (silence != nullptr) alert.silenced_by = silence->id;
    return base::Status::Ok();
  }));
  return alert;
}

}  // namespace slipway::monitoring
