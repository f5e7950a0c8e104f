// SPDX-License-Identifier: Apache-2.0
// Walk of a version, step "judge": mean of log(seconds) of the answers that did not fail. A ratio
// of typical times, not a tail.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "traffic/analyses/judged_mean.h"
#include "traffic/analysis.h"

namespace slipway::traffic {

namespace {

// Latencies that vary by less than a tenth are not taken for exact.
double LeastVariance(double /*stable_mean*/, double /*tolerance*/) { return 0.01; }

class Latency final : public Analysis {
 public:
  explicit Latency(double tolerance) : tolerance_(tolerance) {}
  [[nodiscard]] std::string_view name() const override { return "latency"; }

  [[nodiscard]] std::optional<double> ValueOf(const Outcome& outcome) const override {
    if (outcome.kind != Outcome::Kind::kAnswer || outcome.failed) return std::nullopt;
    return std::log(static_cast<double>(std::max<int64_t>(outcome.total_ns, 1)) / 1e9);
  }

  [[nodiscard]] MetricFinding Judge(std::span<const StepTotals> steps,
                                    double alpha) const override {
    return JudgeMean({name(), tolerance_, alpha, alpha}, steps, LeastVariance);
  }

 private:
  const double tolerance_;
};

}  // namespace

std::unique_ptr<Analysis> MakeLatencyAnalysis(double tolerance) {
  return std::make_unique<Latency>(tolerance);
}

}  // namespace slipway::traffic
