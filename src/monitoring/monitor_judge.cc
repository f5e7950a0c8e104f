// SPDX-License-Identifier: Apache-2.0
// The control loop's walk through monitoring: each closed window is judged once, and what was found
// becomes events and alerts.
#include <algorithm>
#include <utility>

#include "monitoring/monitor_state.h"

namespace slipway::monitoring {
namespace {

// False when it was judged before.
base::Result<bool> MarkJudged(storage::Transaction& transaction, const std::string& endpoint,
                              int64_t version, base::Micros start, const std::string& part,
                              base::Micros now) {
  const int64_t inserted =
      TRY(transaction.Execute("INSERT INTO judged_windows (endpoint, version, window_start, part, "
                              "judged) VALUES ($1, $2, $3, $4, $5) "
                              "ON CONFLICT DO NOTHING",
                              {endpoint, version, start, part, now}));
  return inserted > 0;
}

// What the rules for one part of a window say of it.
std::vector<Finding> FindingsOf(const RuleSet& set, const WindowFacts& facts, bool with_labels) {
  std::vector<Finding> findings;
  for (const Rule& rule : set.rules) {
    if (rule.live() || NeedsLabels(rule) != with_labels ||
        !MatchesAny(rule.endpoints, facts.endpoint))
      continue;
    if (auto finding = JudgeWindow(rule, facts)) findings.push_back(*std::move(finding));
  }
  return findings;
}

}  // namespace

base::Status Monitor::State::LoadJudged() {
  const storage::Rows rows =
      TRY(parts.database.Query("SELECT endpoint, version, window_start, part FROM judged_windows"));
  const std::lock_guard lock(judge_mutex);
  for (const storage::Row& row : rows) {
    judged.insert({row.Text(0), row.Int(1), row.Int(2), row.Text(3)});
    if (row.Text(3) != kPresencePart) continue;
    const auto [newest, first] = newest_judged.try_emplace(row.Text(0), row.Int(2));
    newest->second = std::max(newest->second, row.Int(2));
  }
  return base::Status::Ok();
}

bool Monitor::State::IsJudged(const std::string& endpoint, int64_t version, base::Micros start,
                              const std::string& part) const {
  return judged.contains({endpoint, version, start, part});
}

// Judgement, alerts, messages and events in one transaction: after a crash a window is judged whole
// or not at all.
base::Status Monitor::State::Judge(const WindowReport& window, const std::string& endpoint,
                                   const std::string& part, const std::vector<Finding>& findings,
                                   base::Micros now) {
  const int64_t version = *window.version;
  TRY(parts.database.Write([&](storage::Transaction& transaction) -> base::Status {
    const bool first =
        TRY(MarkJudged(transaction, endpoint, version, window.window.start, part, now));
    if (!first) return base::Status::Ok();  // another replica was quicker
    base::Json breached = base::Json::MakeArray();
    for (const Finding& finding : findings) {
      TRY(alerts.Apply(transaction, finding, now));
      if (finding.breached) breached.Append(finding.rule);
    }
    events::Event event;
    event.type = "window.judged";
    event.subject = "endpoint/" + endpoint + "/version/" + std::to_string(version);
    event.actor = events::Internal("monitoring");
    event.data = ToJson(window);
    event.data.Set("endpoint", endpoint);
    event.data.Set("part", part);
    event.data.Set("breached", std::move(breached));
    return parts.events.Append(transaction, event);
  }));
  judged.insert({endpoint, version, window.window.start, part});
  return base::Status::Ok();
}

base::Status Monitor::State::JudgeWindow(const WindowToJudge& window, base::Micros now) {
  const base::Micros start = window.versions.front().window.start;
  const std::shared_ptr<const RuleSet> set = rules.current();
  std::vector<int64_t> serving;
  for (const WindowReport& report : window.versions) {
    const int64_t version = *report.version;
    serving.push_back(version);
    WindowFacts facts{window.endpoint, version, start, report.window.end, ToJson(report), {}, {}};
    if (!IsJudged(window.endpoint, version, start, kDriftPart)) {
      const auto drift = window.drift.find(version);
      if (drift != window.drift.end()) facts.drift = ToJson(drift->second);
      TRY(Judge(report, window.endpoint, kDriftPart, FindingsOf(*set, facts, false), now));
    }
    const bool enough = report.quality && report.quality->n >= settings.min_labels;
    if (enough && !IsJudged(window.endpoint, version, start, kQualityPart)) {
      facts.references = TRY(ReferencesOf(window.endpoint, version));
      TRY(Judge(report, window.endpoint, kQualityPart, FindingsOf(*set, facts, true), now));
    }
  }
  const auto newest = newest_judged.find(window.endpoint);
  if (newest != newest_judged.end() && start < newest->second)
    return base::Status::Ok();  // late quality of an older window
  ShowGauges(window);
  if (newest != newest_judged.end() && start == newest->second) return base::Status::Ok();
  TRY(parts.database.Write([&](storage::Transaction& transaction) -> base::Status {
    TRY(MarkJudged(transaction, window.endpoint, 0, start, kPresencePart, now));
    const auto gone = [&](const Alert& alert) -> std::string {
      const bool here = alert.endpoint == window.endpoint && alert.version != 0;
      const bool answers =
          std::find(serving.begin(), serving.end(), alert.version) != serving.end();
      return here && !answers ? "the version no longer answers" : "";
    };
    return alerts.ResolveWhere(transaction, gone, now);
  }));
  newest_judged[window.endpoint] = start;
  return base::Status::Ok();
}

void Monitor::State::ShowGauges(const WindowToJudge& window) {
  const auto most =
      std::max_element(window.versions.begin(), window.versions.end(),
                       [](const auto& a, const auto& b) { return a.predictions < b.predictions; });
  for (const auto& [feature, psi] : most->psi) {
    parts.metrics
        .GetGauge("slipway_monitoring_feature_psi", "PSI of a feature in the newest judged window.",
                  {{"endpoint", window.endpoint}, {"feature", feature}})
        .Set(psi);
  }
  if (most->prediction_psi) {
    parts.metrics
        .GetGauge("slipway_monitoring_prediction_psi",
                  "PSI of the predictions in the newest judged window.",
                  {{"endpoint", window.endpoint}})
        .Set(*most->prediction_psi);
  }
  parts.metrics
      .GetGauge("slipway_monitoring_label_coverage_ratio",
                "Share of the predictions in the newest judged window that have a label.",
                {{"endpoint", window.endpoint}})
      .Set(most->label_coverage);
  if (!most->quality) return;
  parts.metrics
      .GetGauge("slipway_monitoring_label_delay_seconds",
                "Mean time from prediction to label in the newest judged window.",
                {{"endpoint", window.endpoint}})
      .Set(most->quality->mean_label_delay_s);
  if (const Estimate* auc = most->quality->Find("auc"); auc != nullptr) {
    parts.metrics
        .GetGauge("slipway_monitoring_auc", "AUC on the labelled rows of the newest judged window.",
                  {{"endpoint", window.endpoint}})
        .Set(auc->value);
  }
  for (const auto& [metric, estimate] : most->quality->metrics) {
    parts.metrics
        .GetGauge("slipway_monitoring_quality",
                  "A metric of quality on the labelled rows of the newest judged window.",
                  {{"endpoint", window.endpoint}, {"metric", metric}})
        .Set(estimate.value);
  }
}

base::Status Monitor::State::ShowFiring() {
  std::map<std::string, double> firing;
  for (const Rule& rule : rules.current()->rules) firing[rule.name] = 0;
  const storage::Rows rows = TRY(parts.database.Query(
      "SELECT rule, COUNT(*) FROM alerts WHERE state = 'firing' GROUP BY rule"));
  for (const storage::Row& row : rows) firing[row.Text(0)] = row.Double(1);
  for (const auto& [rule, count] : firing) {
    parts.metrics
        .GetGauge("slipway_monitoring_alerts_firing", "Alerts that fire now.", {{"rule", rule}})
        .Set(count);
  }
  return base::Status::Ok();
}

base::Result<std::map<std::string, double>> Monitor::State::ReferencesOf(
    const std::string& endpoint, int64_t version) {
  const storage::Rows rows = TRY(parts.database.Query(
      "SELECT metric, value FROM quality_references WHERE endpoint = $1 AND version = $2",
      {endpoint, version}));
  std::map<std::string, double> references;
  for (const storage::Row& row : rows) references[row.Text(0)] = row.Double(1);
  return references;
}

base::Status Monitor::Tick(base::Micros now) {
  State& state = *state_;
  Flush();
  const std::lock_guard lock(state.judge_mutex);
  {
    const std::lock_guard table_lock(state.mutex);
    state.table->RetryFailed();
  }
  state.AskBaselines();
  TRY(state.MatchForgottenRequests());
  TRY(state.RefreshRules(now));
  const std::vector<State::WindowToJudge> closed = state.CollectClosed(now);
  for (const State::WindowToJudge& window : closed) TRY(state.JudgeWindow(window, now));
  TRY(state.AnnounceDetections());
  if (!closed.empty()) TRY(state.ShowFiring());
  return state.JudgeLive(now);
}

base::Status Monitor::SetReference(const std::string& endpoint, int64_t version,
                                   const std::string& metric, double value) {
  return state_->parts.database.Write([&](storage::Transaction& transaction) -> base::Status {
    TRY(transaction.Execute(
        "INSERT INTO quality_references (endpoint, version, metric, value) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT (endpoint, version, metric) DO UPDATE SET value = excluded.value",
        {endpoint, version, metric, value}));
    return base::Status::Ok();
  });
}

base::Result<std::optional<double>> Monitor::GetReference(const std::string& endpoint,
                                                          int64_t version,
                                                          const std::string& metric) {
  const auto references = TRY(state_->ReferencesOf(endpoint, version));
  const auto found = references.find(metric);
  return found == references.end() ? std::nullopt : std::optional<double>(found->second);
}

}  // namespace slipway::monitoring
