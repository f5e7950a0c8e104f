// SPDX-License-Identifier: Apache-2.0
// Walk of a version, step "judge": from the difference of means and its bounds to a finding and its
// sentence.
#include "traffic/analyses/judged_mean.h"

#include <array>
#include <cstdio>
#include <optional>
#include <span>
#include <string>

#include "traffic/analysis.h"

namespace slipway::traffic {

namespace {

std::string Short(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.4g", value);
  return text.data();
}

void Count(std::span<const StepTotals> steps, MetricFinding& finding) {
  double stable_sum = 0;
  double candidate_sum = 0;
  for (const StepTotals& step : steps) {
    finding.stable_count += step.stable.count();
    finding.candidate_count += step.candidate.count();
    stable_sum += step.stable.sum();
    candidate_sum += step.candidate.sum();
  }
  if (finding.stable_count > 0)
    finding.stable_mean = stable_sum / static_cast<double>(finding.stable_count);
  if (finding.candidate_count > 0) {
    finding.candidate_mean = candidate_sum / static_cast<double>(finding.candidate_count);
  }
}

std::string TooLittle(const MetricFinding& finding, const std::optional<Difference>& difference) {
  const size_t stable = difference ? difference->stable_buckets : 0;
  const size_t candidate = difference ? difference->candidate_buckets : 0;
  return "too little to compare: " + std::to_string(finding.stable_count) +
         " values of stable in " + std::to_string(stable) + " groups of keys, " +
         std::to_string(finding.candidate_count) + " of the candidate in " +
         std::to_string(candidate) + "; at least " + std::to_string(kLeastValues) + " in " +
         std::to_string(kLeastBuckets) + " are needed of each";
}

}  // namespace

MetricFinding JudgeMean(const MeanJudgement& judgement, std::span<const StepTotals> steps,
                        double (*least_variance)(double stable_mean, double tolerance)) {
  MetricFinding finding;
  finding.name = judgement.name;
  finding.alpha = judgement.alpha;
  finding.tolerance = judgement.tolerance;
  Count(steps, finding);
  const std::optional<Difference> difference =
      Compare(steps, least_variance(finding.stable_mean, judgement.tolerance));
  if (!difference || finding.stable_count < kLeastValues ||
      finding.candidate_count < kLeastValues || difference->stable_buckets < kLeastBuckets ||
      difference->candidate_buckets < kLeastBuckets) {
    finding.why = TooLittle(finding, difference);
    return finding;
  }
  const double radius =
      ConfidenceRadius(difference->variance, difference->matched, judgement.bound_alpha);
  finding.difference = difference->value;
  finding.lower = difference->value - radius;
  finding.upper = difference->value + radius;
  const std::string facts = "candidate " + Short(finding.candidate_mean) + ", stable " +
                            Short(finding.stable_mean) + ", difference " +
                            Short(*finding.difference) + " [" + Short(*finding.lower) + ", " +
                            Short(*finding.upper) + "]";
  if (*finding.lower > judgement.tolerance) {
    finding.finding = Finding::kFail;
    finding.why = "worse by more than the tolerated " + Short(judgement.tolerance) + ": " + facts;
  } else if (*finding.upper < judgement.tolerance) {
    finding.finding = Finding::kPass;
    finding.why = "not worse by the tolerated " + Short(judgement.tolerance) + ": " + facts;
  } else {
    finding.why = "not decided against the tolerated " + Short(judgement.tolerance) + ": " + facts;
  }
  return finding;
}

}  // namespace slipway::traffic
