// SPDX-License-Identifier: Apache-2.0
// Tests of "both samples come from one distribution", and what is done with many p-values. Pure
// functions.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "drift/distances.h"

namespace slipway::drift {

struct TestOutcome {
  double statistic = 0;
  double p_value = 1;
  int64_t freedom = 0;  // chi-square only
};

// Bins after joining those in which a side expects fewer than 5 rows, where chi-square null
// distributions do not hold (Cochran 1954).
struct JoinedCounts {
  std::vector<int64_t> reference;
  std::vector<int64_t> current;
};
// Neighbours are joined: for bins along an axis.
JoinedCounts JoinNeighbours(Counts reference, Counts current);
// Missing, unseen, other and all small categories become one bin. The reference side must expect 20
// rows of a category that stays, so that none stays only because the reference happened to have
// many of it.
JoinedCounts JoinCategories(Counts reference, Counts current);

// Pearson's test of the 2 x k table, without continuity correction; bins that are empty on both
// sides are left out.
TestOutcome ChiSquareTwoSample(Counts reference, Counts current);
// Wilcoxon's rank-sum test by the normal approximation, corrected for ties: all values of a bucket
// are tied, which costs a little power and no error of the first kind. Statistic: z, positive when
// the current values are larger.
TestOutcome RankSum(Counts reference, Counts current);
// Whether `hits` of n differs from reference_hits of m: Fisher's exact test, two-sided by doubling.
double ShareTest(int64_t reference_hits, int64_t m, int64_t hits, int64_t n);
// Chance that `hits` or more of n new rows lie above the largest (or below the least) of m
// reference rows: exact for exchangeable rows, with ties it is an upper bound.
double BeyondRangeTest(int64_t m, int64_t hits, int64_t n);

// PSI, 2 KL, 8 JS divergence and 8 Hellinger^2 are without drift, to the leading term, all
// (1/m + 1/n) chi-square with (occupied bins - 1) degrees of freedom (Yurdakul & Naranjo 2020 for
// PSI). `scaled` is that distance times its 1, 2 or 8.
double DivergenceTail(double scaled, Counts reference, Counts current);
// At most this likely: the bins' differences, each normal, one by one.
double LInfinityTail(double distance, Counts reference, Counts current);
// Both are sums of |normal|: a gamma distribution with the sum's exact mean and variance.
double TotalVariationTail(double distance, Counts reference, Counts current);
double WassersteinTail(double distance, const FineGrid& grid, const ColumnCounts& reference,
                       const ColumnCounts& current);

// Benjamini & Hochberg 1995: adjusted p-values, same order as given.
std::vector<double> AdjustPValues(std::span<const double> p_values);

}  // namespace slipway::drift
