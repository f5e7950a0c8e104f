// SPDX-License-Identifier: Apache-2.0
// What rules say: of one closed window (its reports as the API shows them), or of the live counts
// at a moment. Pure functions. Private to this room.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "monitoring/alerts.h"
#include "monitoring/rules/live_counts.h"
#include "monitoring/rules/rule.h"

namespace slipway::monitoring {

struct WindowFacts {
  std::string endpoint;
  int64_t version = 0;
  base::Micros start = 0;
  base::Micros end = 0;
  base::Json report;                         // ToJson(WindowReport)
  base::Json drift;                          // ToJson(DriftReport); null without a baseline
  std::map<std::string, double> references;  // by metric: what the version achieved at its gate
};

struct LiveFacts {
  const LiveCounts& counts;
  base::Micros now = 0;
  // Appends to the prediction log that failed in the span that ends now.
  int64_t log_failures = 0;
};

// Whether the rule is judged with the window's labels ("quality"), not at once ("drift").
bool NeedsLabels(const Rule& rule);
// nullopt: the rule cannot judge this window (too few rows, no baseline, no such metric).
std::optional<Finding> JudgeWindow(const Rule& rule, const WindowFacts& facts);
// nullopt: too little to judge. Of a rule that is live().
std::optional<Finding> JudgeLive(const Rule& rule, const std::string& endpoint,
                                 const LiveFacts& facts);

// Shared by both.
Finding BeginFinding(const Rule& rule, const std::string& endpoint, int64_t version,
                     base::Micros at, double value);
std::string ShortNumber(double value);  // three places

}  // namespace slipway::monitoring
