// SPDX-License-Identifier: Apache-2.0
// Contests: versions of one model answer the same labelled window, and are compared on it. The
// window is the newest one of the endpoint's prediction log that has enough labels; every version
// scores the very rows that were logged. AUC is the Mann-Whitney statistic; the bounds are a paired
// bootstrap over rows (Efron 1979), percentile interval, seeded, so that the same window gives the
// same verdict.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/status.h"
#include "monitoring/monitor.h"
#include "registry/registry.h"
#include "traffic/endpoints.h"

namespace slipway::lifecycle {

struct ContestRules {
  double margin = 0.005;      // of AUC, that a challenger must gain over production
  double confidence = 0.95;   // of the two-sided interval whose lower bound must be above zero
  int64_t least_rows = 1000;  // labelled rows in the window
  int64_t archived = 3;       // newest archived versions that compete too
  int64_t resamples = 500;
};

struct Competitor {
  int64_t version = 0;
  std::string stage;
  double auc = 0;
  double brier = 0;
  // Against production: AUC difference with its interval; absent for production itself.
  std::optional<double> difference;
  std::optional<double> lower;
  std::optional<double> upper;
  bool better = false;  // difference >= margin and lower > 0
};

struct Contest {
  std::string model;
  base::Micros window_start = 0;
  base::Micros window_end = 0;
  int64_t rows = 0;
  int64_t production = 0;
  std::vector<Competitor> competitors;  // production first
  const Competitor* Find(int64_t version) const;
};
base::Json ToJson(const Contest& contest);

// Thread-safe; blocks.
class Contests {
 public:
  Contests(registry::Registry& registry, traffic::Endpoints& endpoints,
           monitoring::Monitor& monitor, ContestRules rules);
  // Production against `challengers`. kFailedPrecondition: reason "no_production", "too_few_labels"
  // (how many there are and how many it needs), "cannot_score" (a version that does not take the
  // logged rows).
  base::Result<Contest> Hold(const std::string& model, const std::vector<int64_t>& challengers);
  const ContestRules& rules() const { return rules_; }

 private:
  struct Window;
  base::Result<Window> NewestLabelled(const std::string& endpoint);
  base::Result<std::vector<double>> ScoresOf(const Window& window, const std::string& model,
                                             int64_t version);

  registry::Registry& registry_;
  traffic::Endpoints& endpoints_;
  monitoring::Monitor& monitor_;
  const ContestRules rules_;
};

}  // namespace slipway::lifecycle
