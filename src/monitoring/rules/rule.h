// SPDX-License-Identifier: Apache-2.0
// Rule: one row of a rules file (docs/alerts.md), and the reading of such a file. Private to this
// room.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/status.h"

namespace slipway::monitoring {

inline constexpr size_t kMaxRules = 500;
inline constexpr size_t kMaxRulesBytes = 512 * 1024;
inline constexpr base::Micros kCountsKept = 8 * base::kDay;    // of requests, by the minute
inline constexpr base::Micros kLatencyKept = 6 * base::kHour;  // of their time, by the minute

enum class RuleKind {
  kDrift,
  kQuality,
  kErrorRate,
  kLatency,
  kVolumeDrop,
  kLabelDelay,
  kLabelCoverage,
  kBurnRate,
  kLogFailures
};
std::string_view RuleKindName(RuleKind kind);

// Of an SLO: the error budget burns `factor` times too fast over both spans.
struct BurnWindow {
  base::Micros span = 0;
  base::Micros confirm = 0;  // the short one, which ends the alert soon after the trouble
  double factor = 0;
};

struct Rule {
  std::string name;
  RuleKind kind = RuleKind::kErrorRate;
  std::string severity = "warning";
  std::string runbook;
  std::map<std::string, std::string> labels;
  std::vector<std::string> endpoints = {"*"};  // patterns: * stands for anything
  base::Micros hold = 0;                       // "for": how long it is pending before it fires
  int64_t windows = 1;                         // closed windows in a row
  double resolve_ratio = 0.8;
  bool below = false;              // breached under the threshold, not above it
  double threshold = 0;            // seconds, shares, counts: by kind
  bool against_reference = false;  // quality: the threshold is a fall under the gate's value
  bool significant = true;         // drift and quality: chance must not explain it
  std::string metric;              // drift: "psi"; quality: "auc"
  std::string feature = "*";       // drift of features: a pattern
  bool predictions = false;        // drift: of the predictions, not of the features
  int64_t least = 0;               // requests or labels below which nothing is judged
  base::Micros span = 0;           // latency, errors, volume, log; 0: the closed window
  double quantile = 0.99;
  bool same_time = false;  // volume: against the same time of former days, else what trails
  int64_t days = 7;
  base::Micros trailing = base::kHour;
  double objective = 0.999;      // SLO: share of good requests
  base::Micros slower_than = 0;  // SLO: what is answered slower is bad, too
  std::vector<BurnWindow> burn;

  // Judged at each tick from live counts (of the endpoint as a whole), else once a closed window.
  bool live() const;
};

// What a rule takes where its file says nothing.
struct RuleDefaults {
  double psi_threshold = 0.2;
  double auc_drop = 0.03;
  double error_rate = 0.05;
  double resolve_ratio = 0.8;
};

// kInvalidArgument naming "rules[i].key", with "<name>:<line>:<column>" in its message.
base::Result<std::vector<Rule>> ReadRules(const std::string& yaml, const std::string& name,
                                          const RuleDefaults& defaults);
// The file that holds when none is given.
std::string_view DefaultRules();
// As the API shows it.
base::Json ToJson(const Rule& rule);
// `*` in the pattern stands for any text.
bool Matches(std::string_view pattern, std::string_view text);
bool MatchesAny(const std::vector<std::string>& patterns, std::string_view text);

}  // namespace slipway::monitoring
