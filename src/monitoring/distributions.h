// SPDX-License-Identifier: Apache-2.0
// Quantiles and tails of distributions. Private to this room; Boost.Math stays in distributions.cc.
#pragma once

namespace slipway::monitoring {

// x with P(Z <= x) = p for a standard normal Z; p in (0, 1).
double NormalQuantile(double p);
// P(X >= x) for chi-square with `freedom` >= 1 degrees; 1 for x <= 0.
double ChiSquareTail(double x, double freedom);

}  // namespace slipway::monitoring
