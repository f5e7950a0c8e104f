// SPDX-License-Identifier: Apache-2.0
#include "monitoring/drift.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cmath>
#include <limits>
#include <random>

namespace slipway::monitoring {
namespace {

using inference::Column;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::vector<double> OneToHundred() {
  std::vector<double> values;
  for (int i = 1; i <= 100; ++i) values.push_back(i);
  return values;
}

std::vector<int64_t> CountOf(const FeatureBins& bins, const std::vector<double>& values) {
  std::vector<int64_t> counts(bins.bin_count());
  for (const double value : values) ++counts[bins.BinOfNumber(value)];
  return counts;
}

TEST(FeatureBins, AreTheDecilesOfTheReference) {
  const FeatureBins bins = FeatureBins::Numeric("x", OneToHundred());
  ASSERT_EQ(bins.bin_count(), 13u);
  const std::vector<int64_t> counts = CountOf(bins, OneToHundred());
  EXPECT_EQ(counts, (std::vector<int64_t>{0, 0, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 0}));
  EXPECT_EQ(bins.labels()[2], "[1, 10]");
  EXPECT_EQ(bins.labels()[3], "(10, 20]");
  EXPECT_EQ(bins.BinOfNumber(10), 2u);
  EXPECT_EQ(bins.BinOfNumber(10.5), 3u);
  EXPECT_EQ(bins.BinOfNumber(0.9), FeatureBins::kBelow);
  EXPECT_EQ(bins.BinOfNumber(101), bins.AboveBin());
  EXPECT_EQ(bins.BinOfNumber(std::numeric_limits<double>::infinity()), bins.AboveBin());
  EXPECT_EQ(bins.BinOfNumber(kNaN), FeatureBins::kMissing);
}

TEST(FeatureBins, KeepTheSpikeOfASkewedFeatureApart) {
  std::vector<double> rain(95, 0.0);
  for (int i = 1; i <= 5; ++i) rain.push_back(i);
  const FeatureBins bins = FeatureBins::Numeric("precip", rain);
  ASSERT_EQ(bins.bin_count(), 5u);  // missing, below, 0, (0, 5], above
  EXPECT_EQ(CountOf(bins, rain), (std::vector<int64_t>{0, 0, 95, 5, 0}));
}

// A training table holds doubles, the model's input is FP32: the same temperature must find the
// same bin.
TEST(FeatureBins, PutAFloatWhereItsDoubleWas) {
  std::vector<double> degrees;
  for (int i = 0; i < 100; ++i) degrees.push_back(39.02 + (i / 10) * 0.18);
  const FeatureBins bins = FeatureBins::Numeric("temp", degrees);
  for (const double value : degrees) {
    EXPECT_EQ(bins.BinOfNumber(static_cast<double>(static_cast<float>(value))),
              bins.BinOfNumber(value))
        << value;
  }
}

TEST(FeatureBins, TellMissingUnseenAndRareCategoriesApart) {
  std::vector<std::string> places(50, "EWR");
  places.insert(places.end(), 30, "JFK");
  places.insert(places.end(), {"LGA", "LGA", ""});
  const FeatureBins bins = FeatureBins::Categorical("origin", places);
  EXPECT_EQ(bins.labels(), (std::vector<std::string>{"missing", "unseen", "other", "EWR", "JFK"}));
  EXPECT_EQ(bins.BinOfText("JFK"), 4u);
  EXPECT_EQ(bins.BinOfText("LGA"), FeatureBins::kOther);
  EXPECT_EQ(bins.BinOfText("SFO"), FeatureBins::kUnseen);
  EXPECT_EQ(bins.BinOfText(""), FeatureBins::kMissing);
  EXPECT_EQ(bins.BinOfNumber(kNaN), FeatureBins::kMissing);
}

TEST(FeatureBins, ReadANumberAsTheCategoryThatPrintsLikeIt) {
  const FeatureBins bins = FeatureBins::Categorical("code", std::vector<std::string>(10, "7"));
  EXPECT_EQ(bins.BinOfNumber(7), 3u);
  EXPECT_EQ(bins.BinOfNumber(8), FeatureBins::kUnseen);
}

TEST(FeatureBins, BoundTheNumberOfCategories) {
  std::vector<std::string> ids;
  for (int i = 0; i < 12'000; ++i) ids.insert(ids.end(), i < 300 ? 6 : 1, "id" + std::to_string(i));
  const FeatureBins bins = FeatureBins::Categorical("id", ids);
  EXPECT_EQ(bins.bin_count(), 3 + kMaxCategories);
}

TEST(FeatureBins, OfNothingCountWhatComesAsOutOfRange) {
  const FeatureBins bins = FeatureBins::Numeric("empty", {kNaN, kNaN});
  EXPECT_EQ(bins.BinOfNumber(3), FeatureBins::kBelow);
  EXPECT_EQ(bins.BinOfNumber(kNaN), FeatureBins::kMissing);
}

TEST(Psi, HasTheValueWorkedOutByHand) {
  // (0.8 - 0.5) ln(0.8 / 0.5) + (0.2 - 0.5) ln(0.2 / 0.5)
  EXPECT_NEAR(Psi(std::vector<int64_t>{50, 50}, std::vector<int64_t>{80, 20}),
              0.3 * std::log(1.6) - 0.3 * std::log(0.4), 1e-12);
  // An empty bin counts as 1e-4.
  EXPECT_NEAR(Psi(std::vector<int64_t>{50, 50}, std::vector<int64_t>{100, 0}),
              0.5 * std::log(2) + (1e-4 - 0.5) * std::log(1e-4 / 0.5), 1e-12);
  EXPECT_EQ(Psi(std::vector<int64_t>{50, 50}, std::vector<int64_t>{0, 0}), 0);
}

TEST(Psi, IsZeroForEqualSharesAndNeverNegative) {
  EXPECT_TRUE(rc::check([] {
    const auto reference =
        *rc::gen::container<std::vector<int64_t>>(5, rc::gen::inRange<int64_t>(0, 1000));
    const auto current =
        *rc::gen::container<std::vector<int64_t>>(5, rc::gen::inRange<int64_t>(0, 1000));
    RC_ASSERT(Psi(reference, reference) == 0);
    RC_ASSERT(Psi(reference, current) >= 0);
  }));
}

TEST(Psi, SeesAShiftBehindAnOutlier) {
  std::mt19937_64 random(1);
  std::normal_distribution<double> noise;
  std::vector<double> reference;
  std::vector<double> current;
  for (int i = 0; i < 5000; ++i) {
    reference.push_back(noise(random));
    current.push_back(noise(random) + 1);
  }
  current[0] = 1e6;
  const FeatureBins bins = FeatureBins::Numeric("x", reference);
  EXPECT_GT(Psi(CountOf(bins, reference), CountOf(bins, current)), 0.8);
}

std::vector<FeatureProfile> NormalProfiles(int features, int rows, std::mt19937_64& random) {
  std::normal_distribution<double> noise;
  std::vector<FeatureProfile> profiles;
  for (int feature = 0; feature < features; ++feature) {
    std::vector<double> values;
    for (int i = 0; i < rows; ++i) values.push_back(noise(random));
    FeatureBins bins = FeatureBins::Numeric("f" + std::to_string(feature), values);
    std::vector<int64_t> counts = CountOf(bins, values);
    profiles.push_back({std::move(bins), std::move(counts)});
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
    std::vector<std::vector<int64_t>> counts;
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

TEST(MeasureDrift, SaysHowManyRowsItNeeds) {
  std::mt19937_64 random(7);
  const std::vector<FeatureProfile> profiles = NormalProfiles(1, 5000, random);
  std::vector<int64_t> counts(profiles[0].bins.bin_count());
  counts[FeatureBins::kBelow] = 50;
  const FeatureDrift drift =
      MeasureDrift(profiles, std::vector<std::vector<int64_t>>{counts}, 0.2, 0.05)[0];
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
  EXPECT_EQ(baseline->features[0].counts[FeatureBins::kMissing], 1);
  EXPECT_EQ(baseline->features[1].bins.kind(), FeatureKind::kCategorical);
  EXPECT_EQ(baseline->features[1].counts[FeatureBins::kMissing], 1);
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
