// SPDX-License-Identifier: Apache-2.0
#include "monitoring/drift.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace slipway::monitoring {
namespace {

using inference::Column;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

drift::ColumnCounts CountOf(const FeatureBins& bins, const std::vector<double>& values) {
  drift::ColumnCounts counts(bins, false);
  drift::CountNumbers(bins, values, counts);
  return counts;
}

std::vector<FeatureProfile> NormalProfiles(int features, int rows, std::mt19937_64& random) {
  std::normal_distribution<double> noise;
  std::vector<FeatureProfile> profiles;
  for (int feature = 0; feature < features; ++feature) {
    std::vector<double> values;
    for (int i = 0; i < rows; ++i) values.push_back(noise(random));
    FeatureBins bins = FeatureBins::Numeric("f" + std::to_string(feature), values);
    drift::ColumnCounts counts = CountOf(bins, values);
    profiles.push_back({std::move(bins), "double", std::move(counts)});
  }
  return profiles;
}

// 30 features without drift: windows with any finding, by the corrected test alone (threshold 0).
TEST(MeasureDrift, KeepsItsPromiseOfFewFalseAlarms) {
  std::mt19937_64 random(7);
  const std::vector<FeatureProfile> profiles = NormalProfiles(30, 5000, random);
  std::normal_distribution<double> noise;
  int alarmed = 0;
  for (int window = 0; window < 60; ++window) {
    std::vector<drift::ColumnCounts> counts;
    for (const FeatureProfile& profile : profiles) {
      std::vector<double> values;
      for (int i = 0; i < 1000; ++i) values.push_back(noise(random));
      counts.push_back(CountOf(profile.bins, values));
    }
    bool any = false;
    for (const FeatureDrift& drift : MeasureDrift(profiles, counts, 0, 0.05))
      any = any || drift.drifted;
    alarmed += any ? 1 : 0;
  }
  EXPECT_LE(alarmed, 7);
}

// The score follows x; y moves as much and does not matter.
TEST(Attribute, TellsTheFeatureThatMovesThePredictions) {
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> uniform;
  std::vector<double> x;
  std::vector<double> y;
  std::vector<double> moved;
  for (int i = 0; i < 20'000; ++i) {
    x.push_back(uniform(random));
    y.push_back(uniform(random));
    moved.push_back(std::sqrt(uniform(random)));  // mean 2/3
  }
  const Baseline baseline = MakeBaseline({{"x", x}, {"y", y}}, x, "test").value();
  const std::vector<drift::ColumnCounts> counts{CountOf(baseline.features[0].bins, moved),
                                                CountOf(baseline.features[1].bins, moved)};
  auto drifts = MeasureDrift(baseline.features, counts, 0.2, 0.05);
  Attribute(baseline, counts, drifts);
  EXPECT_NEAR(*drifts[0].contribution, 2.0 / 3 - 0.5, 0.01);
  EXPECT_NEAR(*drifts[1].contribution, 0, 0.01);
  EXPECT_NEAR(drifts[0].psi, drifts[1].psi, 0.05);
  EXPECT_LT(drifts[0].unexplained_share, 0.001);
}

TEST(MeasureDrift, SaysHowManyRowsItNeeds) {
  std::mt19937_64 random(7);
  const std::vector<FeatureProfile> profiles = NormalProfiles(1, 5000, random);
  drift::ColumnCounts counts(profiles[0].bins, false);
  counts.bins[FeatureBins::kBelow] = 50;
  const FeatureDrift drift = MeasureDrift(profiles, std::span(&counts, 1), 0.2, 0.05)[0];
  EXPECT_FALSE(drift.judged);
  EXPECT_FALSE(drift.drifted);
  EXPECT_GT(drift.psi, 1);
  EXPECT_EQ(drift.needs_rows, 150);  // 20 for each of 10 bins
}

TEST(MeasureDrift, FlagsARealShiftAndShowsItsShares) {
  std::mt19937_64 random(7);
  const std::vector<FeatureProfile> profiles = NormalProfiles(2, 5000, random);
  std::normal_distribution<double> noise;
  std::vector<double> same;
  std::vector<double> moved(500, kNaN);
  for (int i = 0; i < 2000; ++i) {
    same.push_back(noise(random));
    moved.push_back(noise(random) + 10);
  }
  const auto drifts = MeasureDrift(
      profiles, std::vector{CountOf(profiles[0].bins, same), CountOf(profiles[1].bins, moved)}, 0.2,
      0.05);
  EXPECT_TRUE(drifts[0].judged);
  EXPECT_FALSE(drifts[0].drifted);
  EXPECT_TRUE(drifts[1].drifted);
  EXPECT_LT(drifts[1].p_adjusted, 1e-6);
  EXPECT_NEAR(drifts[1].missing_share, 0.2, 1e-12);
  EXPECT_NEAR(drifts[1].out_of_range_share, 0.8, 0.01);
}

TEST(Baseline, IsReadFromItsFile) {
  const auto baseline =
      ParseBaseline(R"({"columns": {"hour": [1, 2, null], "origin": ["EWR", null, "JFK"]},
                                          "scores": [0.1, 0.2, 0.3]})");
  ASSERT_TRUE(baseline.ok()) << baseline.status().ToString();
  EXPECT_EQ(baseline->rows, 3);
  ASSERT_EQ(baseline->features.size(), 2u);
  EXPECT_EQ(baseline->features[0].bins.kind(), FeatureKind::kNumeric);
  EXPECT_EQ(baseline->features[0].counts.bins[FeatureBins::kMissing], 1);
  EXPECT_EQ(baseline->features[1].bins.kind(), FeatureKind::kCategorical);
  EXPECT_EQ(baseline->features[1].counts.bins[FeatureBins::kMissing], 1);
  ASSERT_TRUE(baseline->score.has_value());
}

TEST(Baseline, SaysWhatIsWrongWithItsFile) {
  EXPECT_EQ(ParseBaseline(R"({"columns": [1]})").status().field(), "columns");
  EXPECT_EQ(ParseBaseline(R"({"columns": {"a": [1, 2], "b": [1]}})").status().field(), "columns.b");
  EXPECT_EQ(ParseBaseline(R"({"columns": {"a": ["x", 2]}})").status().field(), "columns.a[1]");
  EXPECT_EQ(ParseBaseline(R"({"columns": {"a": [1]}, "scores": ["x"]})").status().field(),
            "scores[0]");
  EXPECT_EQ(ParseBaseline(R"({"columns": {"a": [1]}, "scores": [1, 2]})").status().field(),
            "scores");
  EXPECT_EQ(ParseBaseline(R"({"columns": {}})").status().field(), "columns");
  EXPECT_FALSE(ParseBaseline("{").ok());
}

TEST(Baseline, TakesIntegerColumns) {
  const auto baseline = MakeBaseline({Column{"n", std::vector<int64_t>{1, 2, 3}}}, {}, "test");
  ASSERT_TRUE(baseline.ok());
  EXPECT_FALSE(baseline->score.has_value());
}

}  // namespace
}  // namespace slipway::monitoring
