// SPDX-License-Identifier: Apache-2.0
// Walk of a version, step "judge": the mean loss of the rows whose label has arrived.
#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "traffic/analyses/judged_mean.h"
#include "traffic/analysis.h"

namespace slipway::traffic {

namespace {

// As if the loss were 0 or 1 and its mean just tolerated: a few rows without any loss prove
// nothing.
double LeastVariance(double /*stable_mean*/, double tolerance) {
  const double worst = std::clamp(tolerance, 0.0, 0.5);
  return worst * (1 - worst);
}

class Loss final : public Analysis {
 public:
  explicit Loss(double tolerance) : tolerance_(tolerance) {}
  [[nodiscard]] std::string_view name() const override { return "loss"; }

  [[nodiscard]] std::optional<double> ValueOf(const Outcome& outcome) const override {
    if (outcome.kind != Outcome::Kind::kLabel) return std::nullopt;
    return outcome.loss;
  }

  [[nodiscard]] MetricFinding Judge(std::span<const StepTotals> steps,
                                    double alpha) const override {
    return JudgeMean({name(), tolerance_, alpha, alpha}, steps, LeastVariance);
  }

 private:
  const double tolerance_;
};

}  // namespace

std::unique_ptr<Analysis> MakeLossAnalysis(double tolerance) {
  return std::make_unique<Loss>(tolerance);
}

}  // namespace slipway::traffic
