// SPDX-License-Identifier: Apache-2.0
#include "monitoring/rules/live_counts.h"

#include <gtest/gtest.h>

namespace slipway::monitoring {
namespace {

using base::kMinute;

TEST(LiveCounts, SumsWholeMinutesOfASpan) {
  LiveCounts counts;
  counts.Add("a", 10 * kMinute + 1, false, 1000, 3);
  counts.Add("a", 11 * kMinute, true, 1000, 2);
  counts.Add("b", 11 * kMinute, false, 1000);
  EXPECT_EQ(counts.Over("a", 10 * kMinute, 12 * kMinute, false).requests, 5);
  EXPECT_EQ(counts.Over("a", 11 * kMinute, 12 * kMinute, false).failed, 2);
  EXPECT_EQ(counts.Over("a", 12 * kMinute, 20 * kMinute, false).requests, 0);
  EXPECT_EQ(counts.Over("none", 0, 20 * kMinute, false).requests, 0);
  EXPECT_EQ(counts.Endpoints(), (std::vector<std::string>{"a", "b"}));
}

TEST(LiveCounts, DoesNotDependOnTheOrderOfRecords) {
  LiveCounts one;
  LiveCounts other;
  for (int i = 0; i < 50; ++i) {
    one.Add("a", i * kMinute, i % 3 == 0, 1000 * i);
    other.Add("a", (49 - i) * kMinute, (49 - i) % 3 == 0, 1000 * (49 - i));
  }
  const auto a = one.Over("a", 0, 50 * kMinute, true);
  const auto b = other.Over("a", 0, 50 * kMinute, true);
  EXPECT_EQ(a.failed, b.failed);
  EXPECT_EQ(a.latency.Quantile(0.9), b.latency.Quantile(0.9));
  EXPECT_EQ(other.FirstSeen("a"), 0);
}

TEST(LiveCounts, ForgetsTimesAfterHoursAndCountsAfterDays) {
  LiveCounts counts;
  counts.Add("a", 0, false, 1000);
  counts.Add("a", kLatencyKept + 2 * kMinute, false, 1000);
  EXPECT_EQ(counts.Over("a", 0, kMinute, true).latency.count(), 0);
  EXPECT_EQ(counts.Over("a", 0, kMinute, true).requests, 1);
  counts.Add("a", kCountsKept + 2 * kMinute, false, 1000);
  EXPECT_EQ(counts.Over("a", 0, kMinute, true).requests, 0);
}

TEST(LatencyCounts, FindQuantilesWithinAnEighth) {
  LatencyCounts counts;
  for (int64_t i = 1; i <= 1000; ++i) counts.Add(i * 1'000'000, 1);
  EXPECT_NEAR(counts.Quantile(0.5), 0.5, 0.5 / 8);
  EXPECT_NEAR(counts.Quantile(0.99), 0.99, 0.99 / 8);
  EXPECT_NEAR(static_cast<double>(counts.CountAbove(0.5)), 500, 500.0 / 8);
  EXPECT_EQ(LatencyCounts().Quantile(0.5), 0);
}

}  // namespace
}  // namespace slipway::monitoring
