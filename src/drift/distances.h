// SPDX-License-Identifier: Apache-2.0
// Distances between two distributions: over bins, over fine histograms, and exactly from sorted
// values. Pure functions; logarithms are natural unless it says otherwise. docs/drift.md has each
// formula with its source. A side without rows gives 0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "drift/profile.h"

namespace slipway::drift {

inline constexpr double kShareFloor = 1e-4;  // PSI and KL: a smaller share counts as this

// One count a bin, the same bins on both sides.
using Counts = std::span<const int64_t>;
int64_t Total(Counts counts);
double Share(int64_t count, int64_t total);  // 0 of nothing

// Population stability index: sum over bins of (c - r) ln(c / r).
double Psi(Counts reference, Counts current);
// Kullback-Leibler divergence of the reference from the current distribution: sum r ln(r / c), the
// shares renormalised after the floor.
double KullbackLeibler(Counts reference, Counts current);
// sum r/2 ln(r/m) + c/2 ln(c/m), m = (r + c) / 2: at most ln 2. The distance is its root.
double JensenShannonDivergence(Counts reference, Counts current);
double HellingerDistance(Counts reference, Counts current);  // sqrt(1 - sum sqrt(r c)), at most 1
double LInfinity(Counts reference, Counts current);          // max |r - c|
double TotalVariation(Counts reference, Counts current);     // sum |r - c| / 2

// A distance between two distribution functions that were seen through a fine grid: the exact value
// of the rows differs by at most `error`.
struct GridDistance {
  double value = 0;
  double error = 0;
};
// sup |F_ref - F_cur|. From a grid never more than the exact value.
GridDistance KolmogorovSmirnov(const ColumnCounts& reference, const ColumnCounts& current);
// Integral of |F_ref - F_cur|, in the feature's unit. Infinite values are left out.
GridDistance Wasserstein(const FineGrid& grid, const ColumnCounts& reference,
                         const ColumnCounts& current);

// The same two, exactly. Both samples rise, without NaN; with infinite values only KS means
// something.
struct SampleDistances {
  double kolmogorov_smirnov = 0;
  double wasserstein = 0;
};
SampleDistances MeasureSamples(std::span<const double> reference, std::span<const double> current);
SampleDistances MeasureSamples(std::span<const float> reference, std::span<const float> current);

}  // namespace slipway::drift
