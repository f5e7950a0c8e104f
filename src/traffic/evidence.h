// SPDX-License-Identifier: Apache-2.0
// Evidence: what the judge has seen of one rollout, step by step. Adding is lock-free. Private to
// traffic.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "traffic/analysis.h"

namespace slipway::traffic {

using Analyses = std::vector<std::unique_ptr<Analysis>>;

// One step: the plan with this epoch, from `since` on.
class StepEvidence {
 public:
  StepEvidence(int64_t epoch, base::Micros since, size_t metrics);
  [[nodiscard]] int64_t epoch() const { return epoch_; }
  [[nodiscard]] base::Micros since() const { return since_; }
  void Add(const Analyses& analyses, Side side, size_t bucket, const Outcome& outcome);
  [[nodiscard]] int64_t candidate_answers() const;
  [[nodiscard]] StepTotals Totals(size_t metric) const;
  [[nodiscard]] base::Json Save(const Analyses& analyses) const;
  base::Status Restore(const Analyses& analyses,
                       const base::Json& saved);  // metrics that were not saved stay empty

 private:
  struct alignas(64) Counter {
    std::atomic<int64_t> value{0};
  };
  const int64_t epoch_;
  const base::Micros since_;
  std::deque<Tally> tallies_;  // one a metric, in the order of the analyses
  std::array<Counter, 16> candidate_answers_;
};

// Immutable but for what the steps count: a step is added by copying.
struct Evidence {
  int64_t from_version = 0;
  int64_t to_version = 0;
  std::vector<std::shared_ptr<StepEvidence>> steps;

  [[nodiscard]] StepEvidence* OfEpoch(
      int64_t epoch) const;  // nullptr when this rollout had no such plan
  [[nodiscard]] StepEvidence* OfTime(base::Micros predicted) const;  // nullptr before the rollout
  [[nodiscard]] std::vector<MetricFinding> Judge(const Analyses& analyses, double alpha) const;
  [[nodiscard]] base::Json Save(const Analyses& analyses) const;
  static base::Result<Evidence> Restore(const Analyses& analyses, const base::Json& saved);
};

}  // namespace slipway::traffic
