// SPDX-License-Identifier: Apache-2.0
#include "monitoring/estimate.h"

#include <gtest/gtest.h>

#include <cmath>

namespace slipway::monitoring {
namespace {

double Uniform(Random& random) { return static_cast<double>(random.Below(1'000'000)) / 1e6; }

struct Sample {
  std::vector<double> scores;
  std::vector<uint8_t> labels;
};
// Scores whose true chance of 1 is score^power; `low`: most of them are small.
Sample Draw(size_t rows, double power, bool low, uint64_t seed) {
  Random random(seed);
  Sample sample;
  for (size_t i = 0; i < rows; ++i) {
    const double u = Uniform(random);
    const double score = low ? u * u * u : u;
    sample.scores.push_back(score);
    sample.labels.push_back(Uniform(random) < std::pow(score, power) ? 1 : 0);
  }
  return sample;
}

double Accuracy(const Sample& sample) {
  double right = 0;
  for (size_t i = 0; i < sample.scores.size(); ++i)
    right += (sample.scores[i] > 0.5) == (sample.labels[i] == 1) ? 1 : 0;
  return right / static_cast<double>(sample.scores.size());
}

// sklearn.isotonic.IsotonicRegression(out_of_bounds="clip") on the same rows.
TEST(IsotonicCurve, PredictsAsScikitLearnDoes) {
  const std::vector<double> scores{0.1, 0.2, 0.2, 0.4, 0.5, 0.7, 0.9};
  const std::vector<uint8_t> labels{0, 1, 0, 0, 1, 0, 1};
  const IsotonicCurve curve(scores, labels);
  EXPECT_DOUBLE_EQ(curve.At(0), 0);
  EXPECT_DOUBLE_EQ(curve.At(0.1), 0);
  EXPECT_DOUBLE_EQ(curve.At(0.2), 1.0 / 3);
  EXPECT_DOUBLE_EQ(curve.At(0.3), 1.0 / 3);
  EXPECT_NEAR(curve.At(0.45), (1.0 / 3 + 0.5) / 2, 1e-12);
  EXPECT_DOUBLE_EQ(curve.At(0.6), 0.5);
  EXPECT_DOUBLE_EQ(curve.At(2), 1);
}

TEST(EstimateByConfidence, FollowsAChangeOfTheInputs) {
  const Sample reference = Draw(20'000, 2, false, 1);
  const Sample now = Draw(20'000, 2, true, 2);
  const auto estimate =
      EstimateByConfidence(reference.scores, reference.labels, now.scores, {}).value();
  EXPECT_TRUE(estimate.calibrated);
  EXPECT_LT(estimate.reference_error_calibrated, estimate.reference_error);
  EXPECT_GT(Accuracy(now), Accuracy(reference) + 0.05);
  EXPECT_NEAR(estimate.accuracy.value, Accuracy(now), 0.01);
  EXPECT_LE(estimate.accuracy.lower, Accuracy(now));
  EXPECT_GE(estimate.accuracy.upper, Accuracy(now));
}

TEST(EstimateByConfidence, LeavesAScoreThatIsCalibratedAsItIs) {
  const Sample reference = Draw(2000, 1, false, 3);
  const auto estimate =
      EstimateByConfidence(reference.scores, reference.labels, {{0.25, 0.75}}, {}).value();
  EXPECT_NEAR(estimate.accuracy.value, 0.75, 0.05);
}

// The relation of score and label changes, the scores do not: nothing is seen.
TEST(EstimateByConfidence, IsBlindToConceptDrift) {
  const Sample reference = Draw(20'000, 1, false, 4);
  const Sample now = Draw(20'000, 6, false, 5);
  const auto estimate =
      EstimateByConfidence(reference.scores, reference.labels, now.scores, {}).value();
  EXPECT_GT(estimate.accuracy.value - Accuracy(now), 0.1);
}

TEST(EstimateByConfidence, SaysWhichSideIsNotUsable) {
  const Sample reference = Draw(100, 1, false, 6);
  const auto field = [&](std::span<const double> scores, std::span<const uint8_t> labels,
                         std::span<const double> now) {
    return EstimateByConfidence(scores, labels, now, {}).status().field();
  };
  const std::vector<double> now{0.5};
  const std::vector<double> outside{1.5};
  const std::vector<uint8_t> ones(100, 1);
  EXPECT_EQ(field(reference.scores, ones, now), "reference");
  EXPECT_EQ(field(now, std::span(ones).first(1), now), "reference");
  EXPECT_EQ(field(reference.scores, reference.labels, outside), "current");
  EXPECT_EQ(field(reference.scores, reference.labels, {}), "current");
}

}  // namespace
}  // namespace slipway::monitoring
