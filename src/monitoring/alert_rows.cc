// SPDX-License-Identifier: Apache-2.0
// Alerts between memory, table and the API.
#include "monitoring/alert_rows.h"

#include <string>

namespace slipway::monitoring {
namespace {

using base::Json;

Json LabelsJson(const std::map<std::string, std::string>& labels) {
  Json json = Json::MakeObject();
  for (const auto& [name, value] : labels) json.Set(name, value);
  return json;
}

storage::SqlValue Maybe(const std::optional<base::Micros>& time) {
  return time ? storage::SqlValue(*time) : storage::SqlValue();
}

Json MaybeTime(const std::optional<base::Micros>& time) {
  return time ? Json(base::FormatTime(*time)) : Json();
}

}  // namespace

Alert AlertFromRow(const storage::Row& row) {
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
  auto data = Json::Parse(row.Text(13));
  if (data.ok()) alert.data = *std::move(data);
  const auto labels = Json::Parse(row.Text(14));
  if (labels.ok() && labels->is_object()) {
    for (const auto& [name, value] : labels->AsObject()) {
      if (value.is_string()) alert.labels[name] = value.AsString();
    }
  }
  alert.runbook = row.Text(15);
  alert.told = row.Int(16) != 0;
  alert.pending_since = row.Int(17);
  alert.breaches = row.Int(18);
  alert.acknowledged = row.MaybeInt(19);
  alert.acknowledged_by = row.Text(20);
  alert.acknowledged_why = row.Text(21);
  return alert;
}

base::Status InsertAlert(storage::Transaction& transaction, const Alert& alert) {
  TRY(transaction.Execute(
      "INSERT INTO alerts (" + std::string(kAlertColumns) +
          ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, "
          "$18, $19, $20, $21, $22)",
      {alert.id,
       alert.rule,
       alert.endpoint,
       alert.version,
       alert.severity,
       alert.state,
       alert.since,
       Maybe(alert.resolved),
       alert.value,
       alert.threshold,
       alert.summary,
       alert.episode_key,
       alert.window_start,
       alert.data.Dump(),
       LabelsJson(alert.labels).Dump(),
       alert.runbook,
       int64_t{alert.told},
       alert.pending_since,
       alert.breaches,
       Maybe(alert.acknowledged),
       alert.acknowledged_by,
       alert.acknowledged_why}));
  return base::Status::Ok();
}

base::Status UpdateAlert(storage::Transaction& transaction, const Alert& alert) {
  TRY(transaction.Execute(
      "UPDATE alerts SET severity = $2, state = $3, since = $4, resolved = $5, value = $6, "
      "threshold = $7, summary = $8, window_start = $9, data = $10, labels = $11, runbook = $12, "
      "told = $13, breaches = $14, acknowledged = $15, acknowledged_by = $16, "
      "acknowledged_why = $17 WHERE id = $1",
      {alert.id, alert.severity, alert.state, alert.since, Maybe(alert.resolved), alert.value,
       alert.threshold, alert.summary, alert.window_start, alert.data.Dump(),
       LabelsJson(alert.labels).Dump(), alert.runbook, int64_t{alert.told}, alert.breaches,
       Maybe(alert.acknowledged), alert.acknowledged_by, alert.acknowledged_why}));
  return base::Status::Ok();
}

std::map<std::string, std::string> LabelsOf(const Alert& alert) {
  std::map<std::string, std::string> labels = alert.labels;
  labels["rule"] = alert.rule;
  labels["endpoint"] = alert.endpoint;
  labels["severity"] = alert.severity;
  labels["version"] = std::to_string(alert.version);
  return labels;
}

Json ToJson(const Alert& alert) {
  Json acknowledged;
  if (alert.acknowledged) {
    acknowledged = Json::MakeObject({{"by", alert.acknowledged_by},
                                     {"time", base::FormatTime(*alert.acknowledged)},
                                     {"comment", alert.acknowledged_why}});
  }
  return Json::MakeObject({
      {"id", alert.id},
      {"rule", alert.rule},
      {"endpoint", alert.endpoint},
      {"version", alert.version},
      {"severity", alert.severity},
      {"state", alert.state},
      {"since", base::FormatTime(alert.since)},
      {"resolved", MaybeTime(alert.resolved)},
      {"value", alert.value},
      {"threshold", alert.threshold},
      {"summary", alert.summary},
      {"episode_key", alert.episode_key},
      {"labels", LabelsJson(alert.labels)},
      {"runbook", alert.runbook},
      {"silenced_by", alert.silenced_by.empty() ? Json() : Json(alert.silenced_by)},
      {"acknowledged", std::move(acknowledged)},
      {"data", alert.data},
  });
}

}  // namespace slipway::monitoring
