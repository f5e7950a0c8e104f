// SPDX-License-Identifier: Apache-2.0
#include "traffic/analysis.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "base/json.h"

namespace slipway::traffic {
namespace {

TEST(Tally, SumsAndCountsByArmAndBucket) {
  Tally tally;
  tally.Add(Side::kOfStable, 3, 1.5);
  tally.Add(Side::kOfStable, 3, 2);
  tally.Add(Side::kOfCandidate, 7, 0);
  tally.Add(Side::kOfCandidate, 7, 1);
  const ArmTotals stable = tally.Totals(Side::kOfStable);
  EXPECT_EQ(stable.count(), 2);
  EXPECT_DOUBLE_EQ(stable.buckets[3].sum, 3.5);
  const ArmTotals candidate = tally.Totals(Side::kOfCandidate);
  EXPECT_EQ(candidate.first_zero, 1) << "only the first value of a bucket counts here";
  EXPECT_EQ(candidate.first_above, 0);
}

TEST(Tally, DropsWhatIsNotANumberAndBoundsTheRest) {
  Tally tally;
  tally.Add(Side::kOfStable, 0, std::nan(""));
  EXPECT_EQ(tally.Totals(Side::kOfStable).count(), 0);
  tally.Add(Side::kOfStable, 0, std::numeric_limits<double>::infinity());
  EXPECT_EQ(tally.Totals(Side::kOfStable).sum(), Tally::kMaxValue);
}

TEST(Tally, SurvivesSaving) {
  Tally tally;
  for (size_t i = 0; i < 1000; ++i)
    tally.Add(i % 3 == 0 ? Side::kOfCandidate : Side::kOfStable, i, 0.1 * static_cast<double>(i));
  Tally back;
  ASSERT_TRUE(back.Restore(base::Json::Parse(tally.Save().Dump()).value()).ok());
  EXPECT_EQ(back.Save(), tally.Save());
  EXPECT_EQ(back.Totals(Side::kOfCandidate).sum(), tally.Totals(Side::kOfCandidate).sum());
  EXPECT_FALSE(back.Restore(base::Json("nonsense")).ok());
  EXPECT_FALSE(back.Restore(base::Json::Parse("[[1],[2]]").value()).ok());
}

TEST(ConfidenceRadius, IsTheFormulaOfTheHeader) {
  // Computed in Python for V = 1e-4, M = 1000, alpha = 0.05.
  const double rho_squared = (-2 * std::log(0.05) + std::log(1 - 2 * std::log(0.05))) / 1000;
  EXPECT_NEAR(rho_squared, 0.00793615, 1e-8);
  EXPECT_NEAR(ConfidenceRadius(1e-4, 1000, 0.05), 0.01 * 2.7795, 1e-6);
}

TEST(ConfidenceRadius, ShrinksWithTheVarianceAndGrowsWithCertainty) {
  EXPECT_LT(ConfidenceRadius(1e-6, 1000, 0.05), ConfidenceRadius(1e-4, 1000, 0.05));
  EXPECT_LT(ConfidenceRadius(1e-4, 1000, 0.05), ConfidenceRadius(1e-4, 1000, 0.01));
}

// `count` values in each of `buckets` buckets, a share of them 1.
ArmTotals Evenly(size_t buckets, int64_t count, double share) {
  ArmTotals totals;
  totals.buckets.resize(kJudgeBuckets);
  for (size_t i = 0; i < buckets; ++i) {
    totals.buckets[i] = {count,
                         std::round(share * static_cast<double>(count)) + (i % 2 == 0 ? 0.0 : 1.0)};
  }
  return totals;
}

TEST(Compare, TakesTheVarianceFromBetweenTheBuckets) {
  StepTotals step;
  step.stable = Evenly(200, 100, 0.1);
  step.candidate = Evenly(200, 10, 0.1);
  const auto difference = Compare(std::span(&step, 1), 0);
  ASSERT_TRUE(difference.has_value());
  // Sums alternate between 10 and 11, and between 1 and 2: 0.5 off the mean in each bucket.
  const double stable = 200.0 / 199 * 200 * 0.25 / (20000.0 * 20000);
  const double candidate = 200.0 / 199 * 200 * 0.25 / (2000.0 * 2000);
  EXPECT_NEAR(difference->value, 0.15 - 0.105, 1e-12);
  EXPECT_NEAR(difference->variance, stable + candidate, 1e-12);
  EXPECT_NEAR(difference->matched, 20000.0 * 2000 / 22000, 1e-9);
}

TEST(Compare, ABadHourMetByMoreOfTheCandidateIsNotItsFault) {
  // 5 % share in a good hour, 50 % in a bad one; within each both arms fail alike.
  std::vector<StepTotals> steps(2);
  steps[0].stable = Evenly(200, 95, 0.0);
  steps[0].candidate = Evenly(200, 5, 0.0);
  for (auto* arm : {&steps[0].stable, &steps[0].candidate}) {
    for (BucketSum& bucket : arm->buckets) bucket.sum = 0;
  }
  steps[1].stable = Evenly(200, 50, 0.2);
  steps[1].candidate = Evenly(200, 50, 0.2);
  EXPECT_NEAR(Compare(steps, 0)->value, 0, 1e-12);
  EXPECT_EQ(MakeErrorRateAnalysis(0.01)->Judge(steps, 0.05).finding, Finding::kPass);
}

TEST(Compare, NothingWithoutBothArms) {
  StepTotals step;
  step.stable = Evenly(200, 10, 0.1);
  step.candidate = Evenly(0, 0, 0);
  EXPECT_FALSE(Compare(std::span(&step, 1), 0).has_value());
  const MetricFinding finding = MakeErrorRateAnalysis(0.01)->Judge(std::span(&step, 1), 0.05);
  EXPECT_EQ(finding.finding, Finding::kInconclusive);
  EXPECT_FALSE(finding.lower.has_value());
  EXPECT_NE(finding.why.find("too little"), std::string::npos);
}

TEST(ErrorRate, AFewAnswersWithoutErrorsProveNothing) {
  StepTotals step;
  step.stable = Evenly(200, 100, 0.0);
  step.candidate = Evenly(100, 1, 0.0);
  for (BucketSum& bucket : step.candidate.buckets) bucket.sum = 0;
  EXPECT_EQ(MakeErrorRateAnalysis(0.01)->Judge(std::span(&step, 1), 0.05).finding,
            Finding::kInconclusive);
}

TEST(ErrorRate, TenFailuresOfOneUserAreNotEvidence) {
  StepTotals step;
  step.stable = Evenly(200, 20, 0.0);
  for (BucketSum& bucket : step.stable.buckets) bucket.sum = 0;
  step.candidate = Evenly(100, 1, 0.0);
  for (BucketSum& bucket : step.candidate.buckets) bucket.sum = 0;
  step.candidate.buckets[0] = {30, 30};
  const MetricFinding finding = MakeErrorRateAnalysis(0.01)->Judge(std::span(&step, 1), 0.05);
  EXPECT_EQ(finding.finding, Finding::kInconclusive);
  EXPECT_NEAR(*finding.difference, 30.0 / 129, 1e-9);
}

Outcome Answer(bool failed, int64_t total_ns = 1'000'000) {
  Outcome outcome;
  outcome.failed = failed;
  outcome.total_ns = total_ns;
  return outcome;
}

TEST(Analyses, EachTakesItsOwnOutcomes) {
  Outcome label;
  label.kind = Outcome::Kind::kLabel;
  label.loss = 0.25;
  const auto errors = MakeErrorRateAnalysis(0.01);
  EXPECT_EQ(errors->ValueOf(Answer(true)), 1.0);
  EXPECT_EQ(errors->ValueOf(Answer(false)), 0.0);
  EXPECT_FALSE(errors->ValueOf(label).has_value());
  const auto latency = MakeLatencyAnalysis(0.4);
  EXPECT_NEAR(latency->ValueOf(Answer(false)).value(), std::log(0.001), 1e-12);
  EXPECT_FALSE(latency->ValueOf(Answer(true)).has_value())
      << "a quick failure is not a quick answer";
  const auto loss = MakeLossAnalysis(0.02);
  EXPECT_EQ(loss->ValueOf(label), 0.25);
  EXPECT_FALSE(loss->ValueOf(Answer(false)).has_value());
}

}  // namespace
}  // namespace slipway::traffic
