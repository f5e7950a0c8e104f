// SPDX-License-Identifier: Apache-2.0
#include "drift/bins.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cmath>
#include <limits>
#include <random>

#include "drift/bin_search.h"

namespace slipway::drift {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

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

TEST(FeatureBins, CountTheCategoriesThatCameOnce) {
  EXPECT_EQ(FeatureBins::Categorical("c", {"a", "a", "b", "c", ""}).singletons(), 2);
}

TEST(FeatureBins, AreReadBackAsTheyWereWritten) {
  std::vector<std::string> places(50, "EWR");
  places.insert(places.end(), {"JFK", "JFK", "LGA", ""});
  for (const FeatureBins& bins :
       {FeatureBins::Numeric("x", OneToHundred()), FeatureBins::Numeric("empty", {}),
        FeatureBins::Categorical("origin", places)}) {
    base::ByteWriter out(0);
    bins.Encode(out);
    const std::string bytes = out.Take();
    base::ByteReader in(bytes);
    const auto read = FeatureBins::Decode(in);
    ASSERT_TRUE(read.ok()) << bins.name();
    EXPECT_TRUE(in.AtEnd());
    EXPECT_EQ(read->labels(), bins.labels());
    EXPECT_EQ(read->singletons(), bins.singletons());
    for (const double value : {-5.0, 0.0, 1.0, 55.5, 100.0, 1e9})
      EXPECT_EQ(read->BinOfNumber(value), bins.BinOfNumber(value));
    for (const char* text : {"", "EWR", "JFK", "SFO"})
      EXPECT_EQ(read->BinOfText(text), bins.BinOfText(text));
    for (size_t cut = 0; cut < bytes.size(); ++cut) {
      base::ByteReader torn(std::string_view(bytes).substr(0, cut));
      EXPECT_FALSE(FeatureBins::Decode(torn).ok()) << bins.name() << " cut at " << cut;
    }
  }
}

TEST(FineGrid, PutsEveryValueBetweenTheEdgesOfItsBucket) {
  EXPECT_TRUE(rc::check([] {
    FineGrid grid;
    grid.center = static_cast<float>(*rc::gen::inRange(-1000, 1000)) / 8;
    grid.scale = static_cast<float>(*rc::gen::inRange(1, 1000)) / 64;
    const float value = static_cast<float>(*rc::gen::inRange(-100'000, 100'000)) / 16;
    const size_t bucket = grid.BucketOf(value);
    // 1e-6: the arithmetic of floats.
    const double slack = 1e-6 * (std::fabs(static_cast<double>(value - grid.center)) +
                                 static_cast<double>(grid.scale));
    RC_ASSERT(bucket < FineGrid::kBuckets);
    if (bucket > 0) RC_ASSERT(grid.LowerEdge(bucket) <= static_cast<double>(value) + slack);
    if (bucket + 1 < FineGrid::kBuckets)
      RC_ASSERT(grid.LowerEdge(bucket + 1) >= static_cast<double>(value) - slack);
  }));
}

TEST(FineGrid, KeepsTheOrderOfAllFloats) {
  const FineGrid grid{.center = 3, .scale = 0.5};
  size_t last = 0;
  for (const float value :
       {-kInfinity, -3e38F, -1e6F, -7.0F, 2.999F, 3.0F, 3.1F, 4.0F, 90.0F, 1e7F, kInfinity}) {
    const size_t bucket = grid.BucketOf(value);
    EXPECT_GE(bucket, last) << value;
    last = bucket;
  }
  EXPECT_EQ(last, FineGrid::kBuckets - 1);
  EXPECT_EQ(grid.BucketOf(-kInfinity), 0u);
}

std::vector<float> AwkwardValues(const FeatureBins& bins, size_t count) {
  std::mt19937 random(3);
  std::vector<float> values = {static_cast<float>(kNaN),
                               kInfinity,
                               -kInfinity,
                               0.0F,
                               -0.0F,
                               bins.least(),
                               bins.most(),
                               3e38F,
                               1e-40F};
  for (const float edge : bins.edges()) {
    values.insert(values.end(),
                  {edge, std::nextafter(edge, kInfinity), std::nextafter(edge, -kInfinity)});
  }
  std::normal_distribution<float> noise(50, 60);
  while (values.size() < count) values.push_back(noise(random));
  return values;
}

// Whatever the machine has: the search of a block equals the scalar one and that of single values.
TEST(FindBins, AgreesWithOneValueAtATime) {
  for (const FeatureBins& bins :
       {FeatureBins::Numeric("x", OneToHundred()), FeatureBins::Numeric("constant", {7, 7, 7}),
        FeatureBins::Numeric("empty", {kNaN}), FeatureBins::Numeric("wide", {-1e30, 0, 1e30})}) {
    const std::vector<float> values = AwkwardValues(bins, 1003);
    std::vector<uint8_t> found(values.size());
    std::vector<uint8_t> scalar(values.size());
    std::vector<uint16_t> buckets(values.size());
    std::vector<uint16_t> scalar_buckets(values.size());
    FindBins(BinEdges(bins), values, found, buckets);
    FindBinsScalar(BinEdges(bins), values, scalar, scalar_buckets);
    EXPECT_EQ(found, scalar) << bins.name();
    for (size_t i = 0; i < values.size(); ++i) {
      const auto value = static_cast<double>(values[i]);
      EXPECT_EQ(found[i], bins.BinOfNumber(value)) << bins.name() << " " << value;
      if (std::isnan(value)) continue;
      EXPECT_EQ(buckets[i], scalar_buckets[i]) << bins.name() << " " << value;
      EXPECT_EQ(buckets[i], bins.grid().BucketOf(values[i])) << bins.name() << " " << value;
    }
  }
}

}  // namespace
}  // namespace slipway::drift
