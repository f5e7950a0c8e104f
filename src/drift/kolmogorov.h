// SPDX-License-Identifier: Apache-2.0
// Null distributions of the Kolmogorov-Smirnov statistics. Pure functions.
#pragma once

#include <cstdint>

namespace slipway::drift {

// P(D_n >= d) for one sample of n values against its continuous distribution: exact (Marsaglia,
// Tsang & Wang 2003; Smirnov's sum where both tails cannot meet), and Pelz & Good 1976 for n > 140
// in the middle (error below 1e-7 there). The choice of method is Simard & L'Ecuyer's (2011).
double KolmogorovTail(int64_t n, double d);

// P(D >= d) for two samples of m and n values without ties (with ties it is an upper bound). Exact
// by lattice paths up to kExactSamples values a side, O(m n); above, KolmogorovTail at
// m n / (m + n), rounded. This is scipy's ks_2samp(method="auto").
inline constexpr int64_t kExactSamples = 10'000;
double TwoSampleKsTail(int64_t m, int64_t n, double d);
// The same, but exact only where that takes microseconds: for reports of many features.
double QuickTwoSampleKsTail(int64_t m, int64_t n, double d);

}  // namespace slipway::drift
