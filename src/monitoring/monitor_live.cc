// SPDX-License-Identifier: Apache-2.0
// The control loop's other walk through monitoring: rules that do not wait for a window, silences
// that end, rules that change.
#include <algorithm>
#include <utility>

#include "monitoring/monitor_state.h"

namespace slipway::monitoring {
namespace {

using base::Json;

constexpr base::Micros kLiveInterval = 5 * base::kSecond;
constexpr const char* kLogFailuresMetric = "slipway_storage_log_failures";
constexpr const char* kServer = "(server)";  // what a rule about no endpoint is about

}  // namespace

int64_t Monitor::State::LogFailuresIn(base::Micros span, base::Micros now) const {
  double before = 0;
  for (const auto& [time, total] : log_failures) {
    if (time > now - span) break;
    before = total;
  }
  return static_cast<int64_t>(log_failures.back().second - before);
}

std::vector<Finding> Monitor::State::LiveFindings(const RuleSet& set, base::Micros now) {
  std::vector<Finding> findings;
  const std::lock_guard lock(mutex);
  const std::vector<std::string> endpoints = live.Endpoints();
  for (const Rule& rule : set.rules) {
    if (!rule.live()) continue;
    const bool of_server = rule.kind == RuleKind::kLogFailures;
    const LiveFacts facts{live, now, of_server ? LogFailuresIn(rule.span, now) : 0};
    for (const std::string& endpoint : of_server ? std::vector<std::string>{kServer} : endpoints) {
      if (!of_server && !MatchesAny(rule.endpoints, endpoint)) continue;
      if (auto finding = ::slipway::monitoring::JudgeLive(rule, endpoint, facts))
        findings.push_back(*std::move(finding));
    }
  }
  return findings;
}

// Most of the time nothing is wrong, and nothing is written.
base::Status Monitor::State::JudgeLive(base::Micros now) {
  if (now - kLiveInterval < last_live) return base::Status::Ok();
  last_live = now;
  log_failures.emplace_back(now, parts.metrics.SumOfCounters(kLogFailuresMetric, {}));
  const base::Micros oldest = now - base::kDay - base::kMinute;
  std::erase_if(log_failures, [&](const auto& one) { return one.first < oldest; });
  TRY(alerts.TellUnsilenced(now));
  const std::shared_ptr<const RuleSet> set = rules.current();
  const std::vector<Finding> findings = LiveFindings(*set, now);
  const auto is_live = [&set](const std::string& name) {
    const Rule* rule = set->Find(name);
    return rule != nullptr && rule->live();
  };
  bool any_open = false;
  TRY(parts.database.Read([&](storage::Transaction& transaction) -> base::Status {
    for (const Alert& alert : TRY(alerts.ListOpen(transaction)))
      any_open = any_open || is_live(alert.rule);
    return base::Status::Ok();
  }));
  const bool quiet = !any_open && std::none_of(findings.begin(), findings.end(),
                                               [](const auto& one) { return one.breached; });
  if (quiet) return base::Status::Ok();
  TRY(parts.database.Write([&](storage::Transaction& transaction) {
    return alerts.ApplyLive(transaction, findings, is_live, now);
  }));
  return ShowFiring();
}

base::Status Monitor::State::RefreshRules(base::Micros now) {
  const bool changed = TRY(rules.Refresh());
  return changed ? DropRulelessAlerts(now) : base::Status::Ok();
}

base::Status Monitor::State::DropRulelessAlerts(base::Micros now) {
  const std::shared_ptr<const RuleSet> set = rules.current();
  TRY(parts.database.Write([&](storage::Transaction& transaction) -> base::Status {
    const auto gone = [&](const Alert& alert) -> std::string {
      const Rule* rule = set->Find(alert.rule);
      const bool holds = rule != nullptr && rule->live() == (alert.version == 0) &&
                         (alert.endpoint == kServer || MatchesAny(rule->endpoints, alert.endpoint));
      return holds ? "" : "its rule is gone";
    };
    return alerts.ResolveWhere(transaction, gone, now);
  }));
  return ShowFiring();
}

base::Result<std::vector<Alert>> Monitor::ListAlerts(const AlertFilter& filter) {
  return state_->alerts.List(filter, state_->parts.clock.Now());
}

base::Result<Alert> Monitor::GetAlert(const std::string& id) {
  return state_->alerts.Get(id, state_->parts.clock.Now());
}

base::Result<Alert> Monitor::AcknowledgeAlert(const std::string& id, const events::Actor& actor,
                                              const std::string& why) {
  return state_->alerts.Acknowledge(id, actor, why, state_->parts.clock.Now());
}

Silences& Monitor::silences() { return state_->silences; }

base::Json Monitor::RulesJson() {
  const std::shared_ptr<const RuleSet> set = state_->rules.current();
  Json rules = Json::MakeArray();
  for (const Rule& rule : set->rules) rules.Append(ToJson(rule));
  Json sinks = Json::MakeArray();
  for (const std::string& sink : state_->outbox.SinkNames()) sinks.Append(sink);
  return Json::MakeObject({{"version", set->version},
                           {"source", set->source},
                           {"text", set->text},
                           {"rules", std::move(rules)},
                           {"sinks", std::move(sinks)}});
}

base::Status Monitor::ApplyRules(const std::string& text, const events::Actor& actor,
                                 const std::string& why) {
  State& state = *state_;
  const base::Micros now = state.parts.clock.Now();
  const std::lock_guard lock(state.judge_mutex);
  if (text.empty()) {
    TRY(state.rules.Reload(actor, why, now));
  } else {
    TRY(state.rules.Apply(text, "api", actor, why, now));
  }
  return state.DropRulelessAlerts(now);
}

base::Result<base::Json> Monitor::RuleVersions(int64_t limit) {
  return state_->rules.Versions(limit);
}

}  // namespace slipway::monitoring
