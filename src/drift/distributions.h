// SPDX-License-Identifier: Apache-2.0
// Quantiles and tails of distributions. Pure functions; Boost.Math stays in distributions.cc.
#pragma once

#include <cstdint>

namespace slipway::drift {

// x with P(Z <= x) = p for a standard normal Z; p in (0, 1).
double NormalQuantile(double p);
// P(|Z| >= |z|).
double NormalTwoSided(double z);
// P(X >= x) for chi-square with `freedom` >= 1 degrees; 1 for x <= 0.
double ChiSquareTail(double x, double freedom);
// P(X >= x) for the gamma distribution with this mean and variance, both > 0; 1 for x <= 0.
double GammaTail(double x, double mean, double variance);
double LogGamma(double x);  // x > 0; safe from several threads

// P(X >= hits), where X of `total_hits` marked rows fall among the `drawn` of `population` rows
// (hypergeometric). The counts are consistent: hits <= min(total_hits, drawn).
double HypergeometricTail(int64_t hits, int64_t total_hits, int64_t drawn, int64_t population);

}  // namespace slipway::drift
