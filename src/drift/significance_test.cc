// SPDX-License-Identifier: Apache-2.0
#include "drift/significance.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numeric>
#include <random>

#include "drift/distributions.h"
#include "drift/kolmogorov.h"

namespace slipway::drift {
namespace {

using Vector = std::vector<int64_t>;

TEST(Distributions, HaveTheTablesValues) {
  EXPECT_NEAR(NormalQuantile(0.975), 1.959963985, 1e-9);
  EXPECT_NEAR(NormalTwoSided(1.959963985), 0.05, 1e-9);
  EXPECT_NEAR(ChiSquareTail(16.918977605, 9), 0.05, 1e-9);
  EXPECT_EQ(ChiSquareTail(0, 9), 1);
  EXPECT_NEAR(GammaTail(16.918977605, 9, 18), 0.05, 1e-9);  // chi-square with 9
}

TEST(HypergeometricTail, EqualsTheSumOverAllDraws) {
  const auto choose = [](int64_t n, int64_t k) {
    return std::exp(std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1));
  };
  for (int64_t marked = 0; marked <= 7; ++marked) {
    for (int64_t drawn = 1; drawn <= 9; ++drawn) {
      double tail = 0;
      for (int64_t hits = std::min(marked, drawn);
           hits >= std::max<int64_t>(0, marked + drawn - 10); --hits) {
        tail += choose(marked, hits) * choose(10 - marked, drawn - hits) / choose(10, drawn);
        EXPECT_NEAR(HypergeometricTail(hits, marked, drawn, 10), tail, 1e-12);
      }
    }
  }
}

// Every way to lay m and n values in a row, and how far apart the distribution functions get.
double TailByCounting(int64_t m, int64_t n, double d) {
  double all = 0;
  double far = 0;
  const std::function<void(int64_t, int64_t, double)> walk = [&](int64_t i, int64_t j,
                                                                 double most) {
    most = std::max(most, std::fabs(static_cast<double>(i) / static_cast<double>(m) -
                                    static_cast<double>(j) / static_cast<double>(n)));
    if (i == m && j == n) {
      ++all;
      far += most >= d - 1e-12 ? 1 : 0;
      return;
    }
    if (i < m) walk(i + 1, j, most);
    if (j < n) walk(i, j + 1, most);
  };
  walk(0, 0, 0);
  return far / all;
}

TEST(TwoSampleKsTail, CountsEveryOrderOfSmallSamples) {
  for (int64_t m = 1; m <= 6; ++m) {
    for (int64_t n = 1; n <= 6; ++n) {
      const int64_t steps = std::lcm(m, n);
      for (int64_t step = 1; step <= steps; ++step) {
        const double d = static_cast<double>(step) / static_cast<double>(steps);
        EXPECT_NEAR(TwoSampleKsTail(m, n, d), TailByCounting(m, n, d), 1e-12)
            << m << " " << n << " " << d;
      }
    }
  }
}

TEST(KolmogorovTail, FallsAndHasTheTablesValues) {
  EXPECT_NEAR(KolmogorovTail(10, 0.40925), 0.05, 1e-5);  // Miller 1956
  EXPECT_NEAR(KolmogorovTail(100, 0.13403), 0.05, 1e-5);
  for (const int64_t n : {1, 2, 7, 50, 139, 141, 1000, 200'000}) {
    double last = 1;
    for (int i = 1; i < 30; ++i) {
      const double d = i / 30.0 * std::min(1.0, 4 / std::sqrt(static_cast<double>(n)));
      const double tail = KolmogorovTail(n, d);
      EXPECT_LE(tail, last + 2e-7) << n << " " << d;
      EXPECT_GE(tail, 0);
      last = tail;
    }
  }
}

TEST(QuickTwoSampleKsTail, IsTheLongWaysAnswerToATenth) {
  for (const int64_t m : {500, 20'000, 1'000'000}) {
    for (const double z : {0.5, 1.0, 1.5, 2.0, 3.0}) {
      const double size = static_cast<double>(m) * 300'000 / static_cast<double>(m + 300'000);
      const double d = z / std::sqrt(size);
      const double slow = TwoSampleKsTail(m, 300'000, d);
      EXPECT_NEAR(QuickTwoSampleKsTail(m, 300'000, d), slow, 0.1 * slow) << m << " " << z;
    }
  }
}

TEST(ChiSquareTwoSample, HasTheValueWorkedOutByHand) {
  const TestOutcome outcome = ChiSquareTwoSample(Vector{30, 20, 0}, Vector{20, 30, 0});
  EXPECT_NEAR(outcome.statistic, 4, 1e-12);
  EXPECT_EQ(outcome.freedom, 1);
  EXPECT_NEAR(outcome.p_value, ChiSquareTail(4, 1), 1e-12);
  EXPECT_EQ(ChiSquareTwoSample(Vector{0, 0}, Vector{1, 2}).p_value, 1);
}

TEST(JoinNeighbours, JoinsBinsThatExpectTooFewRows) {
  const auto bins_of = [](const Vector& reference, const Vector& current) {
    const JoinedCounts joined = JoinNeighbours(reference, current);
    EXPECT_EQ(Total(joined.reference), Total(reference));
    EXPECT_EQ(Total(joined.current), Total(current));
    return joined.current;
  };
  const Vector reference = {0, 0, 100, 100, 100, 0};
  EXPECT_EQ(bins_of(reference, {0, 1, 99, 100, 98, 2}), (Vector{100, 100, 100}));
  EXPECT_EQ(bins_of(reference, {0, 0, 1, 0, 1, 0}), (Vector{2}));
  EXPECT_EQ(bins_of(reference, {0, 50, 50, 100, 50, 50}), (Vector{50, 50, 100, 50, 50}));
}

TEST(JoinCategories, KeepsOnlyCategoriesThatAreLargeOnBothSides) {
  const JoinedCounts joined =
      JoinCategories(Vector{0, 0, 300, 300, 300, 12, 9}, Vector{0, 20, 280, 300, 300, 11, 10});
  EXPECT_EQ(joined.current, (Vector{300, 300, 321}));
  EXPECT_EQ(JoinCategories(Vector{0, 0, 0, 300, 300}, Vector{0, 1, 0, 290, 309}).current,
            (Vector{290, 310}));
}

TEST(RankSum, HasTheValueWorkedOutByHand) {
  // Values 1, 2, 3 against 2, 3, 4: U = 7, mean 4.5, variance 9/12 (7 - 12/30).
  const TestOutcome outcome = RankSum(Vector{1, 1, 1, 0}, Vector{0, 1, 1, 1});
  EXPECT_NEAR(outcome.statistic, 2 / std::sqrt(9.0 / 12 * (7 - 12.0 / 30)), 1e-12);
  EXPECT_LT(RankSum(Vector{0, 10}, Vector{10, 0}).statistic, 0);
  EXPECT_EQ(RankSum(Vector{5}, Vector{7}).p_value, 1);
  EXPECT_EQ(RankSum(Vector{0, 0}, Vector{1, 0}).p_value, 1);
}

TEST(ShareTest, IsFishersTest) {
  EXPECT_NEAR(ShareTest(1, 10, 9, 10), 2 * 101.0 / 184'756, 1e-12);
  EXPECT_EQ(ShareTest(0, 10, 0, 10), 1);
  EXPECT_EQ(ShareTest(5, 10, 5, 10), 1);
  EXPECT_LT(ShareTest(0, 100'000, 40, 100'000), 1e-10);
}

TEST(BeyondRangeTest, IsTheChanceThatTheLargestAreAllNew) {
  EXPECT_NEAR(BeyondRangeTest(2, 1, 2), 0.5, 1e-12);
  EXPECT_NEAR(BeyondRangeTest(2, 2, 2), 1.0 / 6, 1e-12);
  EXPECT_EQ(BeyondRangeTest(2, 0, 2), 1);
}

// Shares of p-values below 0.2, of drift-free samples in deciles: near 0.2, or below where the tail
// is a bound.
TEST(NullTails, HoldOnSamplesWithoutDrift) {
  std::mt19937_64 random(11);
  std::normal_distribution<double> noise;
  std::vector<double> below(4);
  constexpr int kTrials = 80;
  for (int trial = 0; trial < kTrials; ++trial) {
    std::vector<double> reference(600);
    std::vector<double> current(400);
    for (double& value : reference) value = noise(random);
    for (double& value : current) value = noise(random);
    const FeatureBins bins = FeatureBins::Numeric("x", reference);
    ColumnCounts r(bins);
    ColumnCounts c(bins);
    CountNumbers(bins, reference, r);
    CountNumbers(bins, current, c);
    const double area = Wasserstein(bins.grid(), r, c).value;
    const JoinedCounts joined = JoinNeighbours(r.bins, c.bins);
    const double js = JensenShannonDivergence(joined.reference, joined.current);
    const std::vector<double> tails = {
        DivergenceTail(8 * js, joined.reference, joined.current),
        TotalVariationTail(TotalVariation(r.bins, c.bins), r.bins, c.bins),
        WassersteinTail(area, bins.grid(), r, c),
        LInfinityTail(LInfinity(r.bins, c.bins), r.bins, c.bins)};
    for (size_t i = 0; i < tails.size(); ++i) below[i] += tails[i] < 0.2 ? 1.0 / kTrials : 0;
  }
  EXPECT_NEAR(below[0], 0.2, 0.12);
  EXPECT_NEAR(below[1], 0.2, 0.12);
  EXPECT_NEAR(below[2], 0.2, 0.12);
  EXPECT_LE(below[3], 0.25);
}

TEST(AdjustPValues, FollowsBenjaminiAndHochberg) {
  // p * n / rank from the largest down, never above the one before.
  const std::vector<double> adjusted = AdjustPValues(std::vector<double>{0.01, 0.04, 0.03, 0.005});
  EXPECT_NEAR(adjusted[0], 0.02, 1e-12);
  EXPECT_NEAR(adjusted[1], 0.04, 1e-12);
  EXPECT_NEAR(adjusted[2], 0.04, 1e-12);
  EXPECT_NEAR(adjusted[3], 0.02, 1e-12);
}

}  // namespace
}  // namespace slipway::drift
