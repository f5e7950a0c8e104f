// SPDX-License-Identifier: Apache-2.0
// What a rule is when nobody has written one, and how it is shown.
#include "monitoring/rules/rule.h"

#include <algorithm>

namespace slipway::monitoring {

bool Rule::live() const {
  switch (kind) {
    case RuleKind::kErrorRate:
      return span > 0;
    case RuleKind::kLatency:
    case RuleKind::kVolumeDrop:
    case RuleKind::kBurnRate:
    case RuleKind::kLogFailures:
      return true;
    default:
      return false;
  }
}

std::string_view DefaultRules() {
  return R"(# Thresholds that are left out are the settings monitoring.psi_threshold, .auc_drop, .error_rate and .resolve_ratio.
rules:
  - {name: prediction_psi, kind: drift, of: prediction, severity: warning}
  # Drift of a feature alone does no harm that anybody has seen.
  - {name: feature_psi, kind: drift, of: feature, severity: info}
  - {name: auc_drop, kind: quality, metric: auc, severity: critical}
  - {name: error_rate, kind: error_rate, severity: critical}
)";
}

base::Json ToJson(const Rule& rule) {
  base::Json labels = base::Json::MakeObject();
  for (const auto& [name, value] : rule.labels) labels.Set(name, value);
  base::Json endpoints = base::Json::MakeArray();
  for (const std::string& pattern : rule.endpoints) endpoints.Append(pattern);
  base::Json json = base::Json::MakeObject({{"name", rule.name},
                                            {"kind", RuleKindName(rule.kind)},
                                            {"severity", rule.severity},
                                            {"threshold", rule.threshold},
                                            {"direction", rule.below ? "below" : "above"},
                                            {"for", base::FormatDuration(rule.hold)},
                                            {"windows", rule.windows},
                                            {"resolve_ratio", rule.resolve_ratio},
                                            {"live", rule.live()},
                                            {"labels", std::move(labels)},
                                            {"endpoints", std::move(endpoints)},
                                            {"runbook", rule.runbook}});
  if (!rule.metric.empty()) json.Set("metric", rule.metric);
  if (rule.span > 0) json.Set("span", base::FormatDuration(rule.span));
  return json;
}

bool Matches(std::string_view pattern, std::string_view text) {
  size_t p = 0, t = 0;
  size_t star = std::string_view::npos, mark = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      mark = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool MatchesAny(const std::vector<std::string>& patterns, std::string_view text) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return Matches(pattern, text); });
}

}  // namespace slipway::monitoring
