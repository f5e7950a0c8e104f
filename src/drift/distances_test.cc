// SPDX-License-Identifier: Apache-2.0
#include "drift/distances.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace slipway::drift {
namespace {

using Vector = std::vector<int64_t>;

Vector AnyCounts(int bins) {
  return *rc::gen::container<Vector>(static_cast<size_t>(bins), rc::gen::inRange<int64_t>(0, 1000));
}

ColumnCounts CountOf(const FeatureBins& bins, const std::vector<double>& values) {
  ColumnCounts counts(bins);
  CountNumbers(bins, values, counts);
  return counts;
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
  EXPECT_GT(Psi(CountOf(bins, reference).bins, CountOf(bins, current).bins), 0.8);
}

TEST(Distances, HaveTheValuesWorkedOutByHand) {
  const Vector even = {50, 50};
  const Vector skewed = {80, 20};
  const double middle = 0.65 * std::log(0.65) + 0.35 * std::log(0.35);
  EXPECT_NEAR(KullbackLeibler(even, skewed), 0.5 * std::log(0.5 / 0.8) + 0.5 * std::log(0.5 / 0.2),
              1e-12);
  EXPECT_NEAR(JensenShannonDivergence(even, skewed),
              -middle + (std::log(0.5) + 0.8 * std::log(0.8) + 0.2 * std::log(0.2)) / 2, 1e-12);
  EXPECT_NEAR(HellingerDistance(even, skewed),
              std::sqrt(1 - std::sqrt(0.5 * 0.8) - std::sqrt(0.5 * 0.2)), 1e-12);
  EXPECT_NEAR(LInfinity(even, skewed), 0.3, 1e-12);
  EXPECT_NEAR(TotalVariation(even, skewed), 0.3, 1e-12);
  EXPECT_NEAR(JensenShannonDivergence(Vector{1, 0}, Vector{0, 1}), std::log(2), 1e-12);
  EXPECT_NEAR(HellingerDistance(Vector{1, 0}, Vector{0, 1}), 1, 1e-12);
}

TEST(Distances, AreZeroOnEqualAndNeverNegative) {
  EXPECT_TRUE(rc::check([] {
    const Vector a = AnyCounts(6);
    const Vector b = AnyCounts(6);
    for (const auto distance : {Psi, KullbackLeibler, JensenShannonDivergence, HellingerDistance,
                                LInfinity, TotalVariation}) {
      RC_ASSERT(distance(a, a) == 0);
      RC_ASSERT(distance(a, b) >= 0);
      RC_ASSERT(distance(a, Vector(6)) == 0);
    }
  }));
}

TEST(Distances, AreSymmetricAndIgnoreTheOrderOfBins) {
  EXPECT_TRUE(rc::check([] {
    Vector a = AnyCounts(6);
    Vector b = AnyCounts(6);
    for (const auto distance :
         {Psi, JensenShannonDivergence, HellingerDistance, LInfinity, TotalVariation}) {
      const double forward = distance(a, b);
      RC_ASSERT(std::fabs(forward - distance(b, a)) < 1e-12);
      std::reverse(a.begin(), a.end());
      std::reverse(b.begin(), b.end());
      RC_ASSERT(std::fabs(forward - distance(a, b)) < 1e-12);
    }
  }));
}

TEST(Distances, KeepTheirBounds) {
  EXPECT_TRUE(rc::check([] {
    const Vector a = AnyCounts(5);
    const Vector b = AnyCounts(5);
    RC_PRE(Total(a) > 0 && Total(b) > 0);
    RC_ASSERT(JensenShannonDivergence(a, b) <= std::log(2) + 1e-12);
    RC_ASSERT(HellingerDistance(a, b) <= 1 + 1e-12);
    RC_ASSERT(LInfinity(a, b) <= 2 * TotalVariation(a, b) + 1e-12);
    // Le Cam: H^2 <= TV <= H sqrt(2 - H^2).
    const double h2 = std::pow(HellingerDistance(a, b), 2);
    RC_ASSERT(h2 <= TotalVariation(a, b) + 1e-12);
    RC_ASSERT(TotalVariation(a, b) <= std::sqrt(h2 * (2 - h2)) + 1e-12);
  }));
}

// Straight from the definition, in O(m n).
double KsByDefinition(const std::vector<double>& a, const std::vector<double>& b) {
  double most = 0;
  for (const std::vector<double>* side : {&a, &b}) {
    for (const double x : *side) {
      const auto share = [x](const std::vector<double>& values) {
        return static_cast<double>(std::count_if(values.begin(), values.end(),
                                                 [x](double value) { return value <= x; })) /
               static_cast<double>(values.size());
      };
      most = std::max(most, std::fabs(share(a) - share(b)));
    }
  }
  return most;
}

// For equal sizes it is the mean distance of the sorted values.
double WassersteinByDefinition(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += std::fabs(a[i] - b[i]);
  return sum / static_cast<double>(a.size());
}

std::vector<double> SortedSample(size_t rows) {
  auto values = *rc::gen::container<std::vector<double>>(
      rows, rc::gen::map(rc::gen::inRange(-40, 40), [](int value) { return value / 4.0; }));
  std::sort(values.begin(), values.end());
  return values;
}

TEST(MeasureSamples, FollowsTheDefinitions) {
  EXPECT_TRUE(rc::check([] {
    const size_t rows = *rc::gen::inRange<size_t>(1, 30);
    const std::vector<double> a = SortedSample(rows);
    const std::vector<double> b = SortedSample(*rc::gen::inRange<size_t>(1, 30));
    const std::vector<double> same_size = SortedSample(rows);
    RC_ASSERT(std::fabs(MeasureSamples(a, b).kolmogorov_smirnov - KsByDefinition(a, b)) < 1e-12);
    RC_ASSERT(std::fabs(MeasureSamples(a, same_size).wasserstein -
                        WassersteinByDefinition(a, same_size)) < 1e-12);
    const std::vector<float> narrow_a(a.begin(), a.end());
    const std::vector<float> narrow_b(b.begin(), b.end());
    RC_ASSERT(MeasureSamples(narrow_a, narrow_b).kolmogorov_smirnov ==
              MeasureSamples(a, b).kolmogorov_smirnov);
    RC_ASSERT(MeasureSamples(a, a).wasserstein == 0);
  }));
}

TEST(MeasureSamples, OfNothingIsZero) {
  const std::vector<double> none;
  EXPECT_EQ(MeasureSamples(none, std::vector<double>{1}).kolmogorov_smirnov, 0);
  EXPECT_EQ(MeasureSamples(std::vector<double>{1}, none).wasserstein, 0);
}

// The grid's distances are within their own error of the rows' distances.
TEST(GridDistances, StayWithinTheErrorThatTheyState) {
  std::mt19937_64 random(5);
  for (const double shift : {0.0, 0.05, 0.5, 3.0}) {
    for (const bool heavy : {false, true}) {
      std::lognormal_distribution<double> long_tail(0, 1.5);
      std::normal_distribution<double> noise(10, 2);
      std::vector<double> reference;
      std::vector<double> current;
      for (int i = 0; i < 1500; ++i) {
        reference.push_back(heavy ? long_tail(random) : noise(random));
        current.push_back((heavy ? long_tail(random) : noise(random)) + shift);
      }
      const FeatureBins bins = FeatureBins::Numeric("x", reference);
      const ColumnCounts r = CountOf(bins, reference);
      const ColumnCounts c = CountOf(bins, current);
      std::sort(reference.begin(), reference.end());
      std::sort(current.begin(), current.end());
      const SampleDistances exact = MeasureSamples(reference, current);
      const GridDistance ks = KolmogorovSmirnov(r, c);
      const GridDistance area = Wasserstein(bins.grid(), r, c);
      EXPECT_LE(ks.value, exact.kolmogorov_smirnov + 1e-9);
      EXPECT_GE(ks.value + ks.error, exact.kolmogorov_smirnov - 1e-9);
      EXPECT_LE(ks.error, 0.01);
      EXPECT_NEAR(area.value, exact.wasserstein, area.error + 1e-5);
      EXPECT_NEAR(area.value, exact.wasserstein, 0.005 * std::sqrt(r.moments.Variance()));
    }
  }
}

}  // namespace
}  // namespace slipway::drift
