// SPDX-License-Identifier: Apache-2.0
// Walk of a version, step "judge": the share of answers that failed, with a fast path for a version
// that is plainly broken.
//
// Fast path: of each bucket of keys only the candidate's first answer in the step counts, k
// failures among n. Under the hypothesis "it fails with chance p0 = 0.1 at most" the product  E =
// prod (q/p0)^x ((1-q)/(1-p0))^(1-x), averaged over q in {0.5, 0.7, 0.9, 0.99}, is a nonnegative
// supermartingale: it ever reaches 1/a with chance <= a (Ville). Step s has the share 1/(s(s+1)) of
// a.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "traffic/analyses/judged_mean.h"
#include "traffic/analysis.h"

namespace slipway::traffic {

namespace {

constexpr double kGrossNull = 0.1;             // p0
constexpr double kGrossShare = 0.5;            // the candidate fails more often than that,
constexpr double kFineShare = kGrossNull / 2;  // while stable fails no more often than that
constexpr int64_t kGrossAnswers = 20;
constexpr int64_t kGrossBuckets = 5;
constexpr std::array<double, 4> kGrossRates = {0.5, 0.7, 0.9, 0.99};

double LeastVariance(double stable_mean, double tolerance) {
  const double worst = std::clamp(stable_mean + tolerance, 0.0, 0.5);
  return worst * (1 - worst);
}

double LogEvidence(int64_t failed, int64_t passed) {
  std::array<double, kGrossRates.size()> logs{};
  for (size_t i = 0; i < logs.size(); ++i) {
    const double q = kGrossRates[i];
    logs[i] = static_cast<double>(failed) * std::log(q / kGrossNull) +
              static_cast<double>(passed) * std::log((1 - q) / (1 - kGrossNull));
  }
  const double most = *std::max_element(logs.begin(), logs.end());
  double sum = 0;
  for (const double log : logs) sum += std::exp(log - most);
  return most + std::log(sum / static_cast<double>(logs.size()));
}

double Mean(const ArmTotals& totals) {
  const int64_t count = totals.count();
  return count == 0 ? 0 : totals.sum() / static_cast<double>(count);
}

// Stable's own share of failures in the step, or over all steps where the step leaves it no
// traffic.
bool StableIsFine(const StepTotals& step, const MetricFinding& overall) {
  if (step.stable.count() >= kGrossAnswers) return Mean(step.stable) <= kFineShare;
  return overall.stable_count >= kGrossAnswers && overall.stable_mean <= kFineShare;
}

class ErrorRate final : public Analysis {
 public:
  explicit ErrorRate(double tolerance) : tolerance_(tolerance) {}
  [[nodiscard]] std::string_view name() const override { return "error_rate"; }

  [[nodiscard]] std::optional<double> ValueOf(const Outcome& outcome) const override {
    if (outcome.kind != Outcome::Kind::kAnswer) return std::nullopt;
    return outcome.failed ? 1.0 : 0.0;
  }

  [[nodiscard]] MetricFinding Judge(std::span<const StepTotals> steps,
                                    double alpha) const override {
    MetricFinding finding = JudgeMean({name(), tolerance_, alpha, alpha / 2}, steps, LeastVariance);
    if (finding.finding == Finding::kFail) return finding;
    for (size_t i = 0; i < steps.size(); ++i) {
      if (!PlainlyBroken(steps[i], finding, i + 1, alpha / 2)) continue;
      finding.finding = Finding::kFail;
      finding.why = "plainly broken: the first answers to " +
                    std::to_string(steps[i].candidate.first_above) + " of " +
                    std::to_string(steps[i].candidate.first_above + steps[i].candidate.first_zero) +
                    " groups of keys failed, while stable is fine";
      break;
    }
    return finding;
  }

 private:
  static bool PlainlyBroken(const StepTotals& step, const MetricFinding& overall, size_t number,
                            double alpha) {
    const ArmTotals& candidate = step.candidate;
    if (candidate.count() < kGrossAnswers || Mean(candidate) <= kGrossShare ||
        !StableIsFine(step, overall))
      return false;
    if (candidate.first_zero + candidate.first_above < kGrossBuckets) return false;
    const auto s = static_cast<double>(number);
    return LogEvidence(candidate.first_above, candidate.first_zero) >=
           std::log(s * (s + 1) / alpha);
  }

  const double tolerance_;
};

}  // namespace

std::unique_ptr<Analysis> MakeErrorRateAnalysis(double tolerance) {
  return std::make_unique<ErrorRate>(tolerance);
}

}  // namespace slipway::traffic
