// SPDX-License-Identifier: Apache-2.0
// Part of every drift report: what chance alone explains.
#include "drift/significance.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "drift/distributions.h"

namespace slipway::drift {
namespace {

constexpr double kGroups = 48;  // of the pooled rows, when a distribution function is coarsened
constexpr double kTwoOverPi = 2 / std::numbers::pi;

constexpr double kLeastExpected = 5;
constexpr double kLeastExpectedOfCategory = 20;

// Whether both sides expect enough rows of a bin with this many in all.
bool Enough(int64_t rows, int64_t m, int64_t n) {
  return static_cast<double>(rows) * static_cast<double>(std::min(m, n)) >=
         kLeastExpected * static_cast<double>(m + n);
}

// 1/m + 1/n.
double Scale(Counts reference, Counts current) {
  return 1 / static_cast<double>(Total(reference)) + 1 / static_cast<double>(Total(current));
}

// Cov(|X|, |Y|) / (sd sd) of two normals with mean 0 and this correlation.
double FoldedCovariance(double correlation) {
  const double rho = std::clamp(correlation, -1.0, 1.0);
  return kTwoOverPi * (rho * std::asin(rho) + std::sqrt(1 - rho * rho) - 1);
}

// A part of the axis and what a Brownian bridge does there: |B| is `mass` / width high on average.
struct Stretch {
  double mass = 0;   // integral of sqrt(F (1 - F))
  double share = 0;  // F in its middle
};

std::vector<Stretch> Coarsen(const FineGrid& grid, const ColumnCounts& reference,
                             const ColumnCounts& current) {
  const double least = std::min(reference.moments.least, current.moments.least);
  const double most = std::max(reference.moments.most, current.moments.most);
  const auto rows = static_cast<double>(Total(reference.fine) + Total(current.fine));
  std::vector<Stretch> stretches;
  Stretch open;
  double before = 0;
  double open_since = 0;
  for (size_t bucket = 0; bucket < FineGrid::kBuckets; ++bucket) {
    const double low = std::clamp(bucket == 0 ? least : grid.LowerEdge(bucket), least, most);
    const double high = std::clamp(
        bucket + 1 == FineGrid::kBuckets ? most : grid.LowerEdge(bucket + 1), least, most);
    const double after =
        before + static_cast<double>(reference.fine[bucket] + current.fine[bucket]) / rows;
    const double middle = (before + after) / 2;
    open.mass += (high - low) * std::sqrt(std::max(0.0, middle * (1 - middle)));
    before = after;
    if (after - open_since < 1 / kGroups && bucket + 1 != FineGrid::kBuckets) continue;
    open.share = (open_since + after) / 2;
    if (open.mass > 0) stretches.push_back(open);
    open = {};
    open_since = after;
  }
  return stretches;
}

}  // namespace

JoinedCounts JoinNeighbours(Counts reference, Counts current) {
  const int64_t m = Total(reference);
  const int64_t n = Total(current);
  JoinedCounts joined;
  int64_t open_r = 0;
  int64_t open_c = 0;
  for (size_t bin = 0; bin < reference.size(); ++bin) {
    open_r += reference[bin];
    open_c += current[bin];
    if (!Enough(open_r + open_c, m, n)) continue;
    joined.reference.push_back(open_r);
    joined.current.push_back(open_c);
    open_r = 0;
    open_c = 0;
  }
  if (joined.reference.empty()) return {{open_r}, {open_c}};
  joined.reference.back() += open_r;
  joined.current.back() += open_c;
  return joined;
}

JoinedCounts JoinCategories(Counts reference, Counts current) {
  const int64_t m = Total(reference);
  const int64_t n = Total(current);
  JoinedCounts joined;
  int64_t rest_r = 0;
  int64_t rest_c = 0;
  for (size_t bin = 0; bin < reference.size(); ++bin) {
    const int64_t rows = reference[bin] + current[bin];
    if (bin > FeatureBins::kOther && Enough(rows, m, n) &&
        static_cast<double>(rows) * static_cast<double>(m) >=
            kLeastExpectedOfCategory * static_cast<double>(m + n)) {
      joined.reference.push_back(reference[bin]);
      joined.current.push_back(current[bin]);
    } else {
      rest_r += reference[bin];
      rest_c += current[bin];
    }
  }
  if (joined.reference.empty() || Enough(rest_r + rest_c, m, n)) {
    joined.reference.push_back(rest_r);
    joined.current.push_back(rest_c);
  } else {
    joined.reference.back() += rest_r;
    joined.current.back() += rest_c;
  }
  return joined;
}

TestOutcome ChiSquareTwoSample(Counts reference, Counts current) {
  TestOutcome outcome;
  const auto m = static_cast<double>(Total(reference));
  const auto n = static_cast<double>(Total(current));
  if (m == 0 || n == 0) return outcome;
  int64_t occupied = 0;
  for (size_t bin = 0; bin < reference.size(); ++bin) {
    const auto rows = static_cast<double>(reference[bin] + current[bin]);
    if (rows == 0) continue;
    ++occupied;
    const double expected_r = rows * m / (m + n);
    const double expected_c = rows * n / (m + n);
    const double apart = static_cast<double>(reference[bin]) - expected_r;
    outcome.statistic += apart * apart * (1 / expected_r + 1 / expected_c);
  }
  outcome.freedom = std::max<int64_t>(0, occupied - 1);
  if (outcome.freedom > 0)
    outcome.p_value = ChiSquareTail(outcome.statistic, static_cast<double>(outcome.freedom));
  return outcome;
}

TestOutcome RankSum(Counts reference, Counts current) {
  const auto m = static_cast<double>(Total(reference));
  const auto n = static_cast<double>(Total(current));
  if (m == 0 || n == 0) return {};
  double pairs_won = 0;  // by the current value; a tie is half
  double before = 0;
  double ties = 0;
  for (size_t bucket = 0; bucket < reference.size(); ++bucket) {
    const auto r = static_cast<double>(reference[bucket]);
    const auto c = static_cast<double>(current[bucket]);
    pairs_won += c * (before + r / 2);
    before += r;
    ties += (r + c) * ((r + c) * (r + c) - 1);
  }
  const double all = m + n;
  const double variance = m * n / 12 * (all + 1 - ties / (all * (all - 1)));
  const double apart = pairs_won - m * n / 2;
  if (variance <= 0) return {};
  const double corrected = std::max(0.0, std::fabs(apart) - 0.5);
  TestOutcome outcome;
  outcome.statistic = std::copysign(corrected / std::sqrt(variance), apart);
  outcome.p_value = NormalTwoSided(outcome.statistic);
  return outcome;
}

double ShareTest(int64_t reference_hits, int64_t m, int64_t hits, int64_t n) {
  const int64_t all_hits = reference_hits + hits;
  if (all_hits == 0 || all_hits == m + n) return 1;
  const double more = HypergeometricTail(hits, all_hits, n, m + n);
  const double fewer = HypergeometricTail(reference_hits, all_hits, m, m + n);
  return std::min(1.0, 2 * std::min(more, fewer));
}

double BeyondRangeTest(int64_t m, int64_t hits, int64_t n) {
  double chance = 1;
  for (int64_t i = 0; i < hits && chance > 1e-300; ++i)
    chance *= static_cast<double>(n - i) / static_cast<double>(m + n - i);
  return chance;
}

double DivergenceTail(double scaled, Counts reference, Counts current) {
  if (Total(reference) == 0 || Total(current) == 0) return 1;
  int64_t occupied = 0;
  for (size_t bin = 0; bin < reference.size(); ++bin)
    occupied += reference[bin] > 0 || current[bin] > 0 ? 1 : 0;
  if (occupied < 2) return 1;
  return ChiSquareTail(scaled / Scale(reference, current), static_cast<double>(occupied - 1));
}

double LInfinityTail(double distance, Counts reference, Counts current) {
  const int64_t all = Total(reference) + Total(current);
  if (distance <= 0 || Total(reference) == 0 || Total(current) == 0) return 1;
  double chance = 0;
  for (size_t bin = 0; bin < reference.size(); ++bin) {
    const double p = Share(reference[bin] + current[bin], all);
    if (p > 0 && p < 1)
      chance += NormalTwoSided(distance / std::sqrt(Scale(reference, current) * p * (1 - p)));
  }
  return std::min(1.0, chance);
}

double TotalVariationTail(double distance, Counts reference, Counts current) {
  const int64_t all = Total(reference) + Total(current);
  if (distance <= 0 || Total(reference) == 0 || Total(current) == 0) return 1;
  std::vector<double> shares;
  for (size_t bin = 0; bin < reference.size(); ++bin) {
    const double p = Share(reference[bin] + current[bin], all);
    if (p > 0 && p < 1) shares.push_back(p);
  }
  double mean = 0;
  double variance = 0;
  for (size_t i = 0; i < shares.size(); ++i) {
    const double a = shares[i];
    mean += std::sqrt(kTwoOverPi * a * (1 - a)) / 2;
    variance += (1 - kTwoOverPi) * a * (1 - a) / 4;
    for (size_t j = 0; j < i; ++j) {
      const double b = shares[j];
      const double deviations = std::sqrt(a * (1 - a) * b * (1 - b));
      variance += FoldedCovariance(-a * b / deviations) * deviations / 2;
    }
  }
  if (variance <= 0) return 1;
  const double scale = Scale(reference, current);
  return GammaTail(distance, mean * std::sqrt(scale), variance * scale);
}

double WassersteinTail(double distance, const FineGrid& grid, const ColumnCounts& reference,
                       const ColumnCounts& current) {
  if (distance <= 0 || Total(reference.fine) == 0 || Total(current.fine) == 0) return 1;
  const std::vector<Stretch> stretches = Coarsen(grid, reference, current);
  double mean = 0;
  double variance = 0;
  for (size_t i = 0; i < stretches.size(); ++i) {
    const Stretch& a = stretches[i];
    mean += std::sqrt(kTwoOverPi) * a.mass;
    variance += (1 - kTwoOverPi) * a.mass * a.mass;
    for (size_t j = 0; j < i; ++j) {
      const Stretch& b = stretches[j];  // to the left
      const double correlation = std::sqrt(b.share * (1 - a.share) / (a.share * (1 - b.share)));
      variance += 2 * FoldedCovariance(correlation) * a.mass * b.mass;
    }
  }
  if (variance <= 0) return 1;
  const double scale = Scale(reference.fine, current.fine);
  return GammaTail(distance, mean * std::sqrt(scale), variance * scale);
}

std::vector<double> AdjustPValues(std::span<const double> p_values) {
  std::vector<size_t> order(p_values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return p_values[a] > p_values[b]; });
  std::vector<double> adjusted(p_values.size());
  double least = 1;
  for (size_t i = 0; i < order.size(); ++i) {
    const double rank = static_cast<double>(order.size() - i);
    least = std::min(least, p_values[order[i]] * static_cast<double>(order.size()) / rank);
    adjusted[order[i]] = least;
  }
  return adjusted;
}

}  // namespace slipway::drift
