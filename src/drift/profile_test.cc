// SPDX-License-Identifier: Apache-2.0
#include "drift/profile.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cmath>
#include <limits>
#include <random>

namespace slipway::drift {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::vector<double> Normal(int rows, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> noise(3, 2);
  std::vector<double> values;
  for (int i = 0; i < rows; ++i) values.push_back(noise(random));
  return values;
}

ColumnCounts CountOf(const FeatureBins& bins, const std::vector<double>& values) {
  ColumnCounts counts(bins);
  CountNumbers(bins, values, counts);
  return counts;
}

void ExpectSame(const ColumnCounts& a, const ColumnCounts& b) {
  EXPECT_EQ(a.bins, b.bins);
  EXPECT_EQ(a.fine, b.fine);
  EXPECT_EQ(a.moments.n, b.moments.n);
  EXPECT_NEAR(a.moments.mean, b.moments.mean, 1e-9);
  EXPECT_NEAR(a.moments.Variance(), b.moments.Variance(), 1e-9);
  EXPECT_EQ(a.moments.least, b.moments.least);
  EXPECT_EQ(a.moments.most, b.moments.most);
  EXPECT_EQ(a.positive_infinities, b.positive_infinities);
  EXPECT_EQ(a.negative_infinities, b.negative_infinities);
}

TEST(ColumnCounts, AreTheSameValueByValueAndInBlocks) {
  std::vector<double> values = Normal(2500, 1);
  values[7] = kNaN;
  values[1030] = kInfinity;
  values[1031] = -kInfinity;
  const FeatureBins bins = FeatureBins::Numeric("x", Normal(1000, 2));
  ColumnCounts one_by_one(bins);
  for (const double value : values) CountNumber(bins, value, one_by_one);
  const ColumnCounts in_blocks = CountOf(bins, values);
  ExpectSame(in_blocks, one_by_one);
  EXPECT_EQ(in_blocks.Rows(), 2500);
  EXPECT_EQ(in_blocks.Missing(), 1);
  EXPECT_EQ(in_blocks.moments.n, 2497);
  EXPECT_EQ(in_blocks.positive_infinities, 1);
  EXPECT_EQ(in_blocks.negative_infinities, 1);
}

TEST(ColumnCounts, KeepTheVarianceOfValuesFarFromZero) {
  std::vector<double> values;
  for (int i = 0; i < 3000; ++i) values.push_back(1e9 + i % 2);
  const FeatureBins bins = FeatureBins::Numeric("x", values);
  EXPECT_NEAR(CountOf(bins, values).moments.Variance(), 0.25, 1e-6);
}

TEST(ColumnCounts, MergeInAnyOrderIntoTheCountsOfAllRows) {
  const FeatureBins bins = FeatureBins::Numeric("x", Normal(200, 9));
  EXPECT_TRUE(rc::check([&] {
    std::vector<ColumnCounts> parts;
    std::vector<double> all;
    for (int part = 0; part < 3; ++part) {
      const std::vector<double> values =
          Normal(*rc::gen::inRange(0, 50), *rc::gen::inRange<uint64_t>(0, 1000));
      all.insert(all.end(), values.begin(), values.end());
      parts.push_back(CountOf(bins, values));
    }
    ColumnCounts left = parts[0];
    left.Merge(parts[1]);
    left.Merge(parts[2]);
    ColumnCounts right = parts[2];
    right.Merge(parts[1]);
    ColumnCounts other = parts[0];
    other.Merge(right);
    ExpectSame(left, other);
    ExpectSame(left, CountOf(bins, all));
  }));
}

TEST(ColumnCounts, MergeIntoNothingIsACopy) {
  const FeatureBins bins = FeatureBins::Numeric("x", Normal(200, 9));
  ColumnCounts sum;
  sum.Merge(CountOf(bins, Normal(50, 1)));
  ExpectSame(sum, CountOf(bins, Normal(50, 1)));
}

Profile TwoColumns() {
  Profile profile;
  profile.source = "train.csv";
  profile.rows = 300;
  const std::vector<double> numbers = Normal(300, 4);
  FeatureBins bins = FeatureBins::Numeric("x", numbers);
  ColumnCounts counts = CountOf(bins, numbers);
  profile.columns.push_back({std::move(bins), "double", std::move(counts)});
  const std::vector<std::string> places(300, "EWR");
  FeatureBins categories = FeatureBins::Categorical("origin", places);
  ColumnCounts place_counts(categories);
  for (const std::string& place : places) CountText(categories, place, place_counts);
  profile.columns.push_back({std::move(categories), "string", std::move(place_counts)});
  return profile;
}

TEST(ProfileFile, IsReadBackAsItWasWritten) {
  const Profile profile = TwoColumns();
  const std::string bytes = EncodeProfile(profile);
  EXPECT_TRUE(LooksLikeProfile(bytes));
  EXPECT_LT(bytes.size(), 2500u);
  const auto read = DecodeProfile(bytes);
  ASSERT_TRUE(read.ok()) << read.status().ToString();
  EXPECT_EQ(read->source, "train.csv");
  EXPECT_EQ(read->rows, 300);
  ASSERT_EQ(read->columns.size(), 2u);
  for (const ColumnProfile& column : profile.columns) {
    const ColumnProfile* found = read->Find(column.bins.name());
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(found->type, column.type);
    EXPECT_EQ(found->bins.labels(), column.bins.labels());
    ExpectSame(found->counts, column.counts);
  }
  EXPECT_EQ(EncodeProfile(*read), bytes);
}

TEST(ProfileFile, IsRefusedWhenAnyByteIsAnother) {
  const std::string bytes = EncodeProfile(TwoColumns());
  for (size_t at = 0; at < bytes.size(); at += 7) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    EXPECT_FALSE(DecodeProfile(damaged).ok()) << at;
  }
  for (size_t cut = 0; cut < bytes.size(); cut += 11)
    EXPECT_FALSE(DecodeProfile(bytes.substr(0, cut)).ok()) << cut;
}

TEST(ProfileFile, OfANewerFormatSaysSo) {
  std::string bytes = EncodeProfile(TwoColumns());
  bytes[16] = 2;  // behind the magic line
  EXPECT_EQ(DecodeProfile(bytes).status().code(), base::Code::kInvalidArgument);
  EXPECT_NE(DecodeProfile(bytes).status().message().find("format is 2"), std::string::npos);
}

}  // namespace
}  // namespace slipway::drift
