// SPDX-License-Identifier: Apache-2.0
// The intervals that a window's quality and a gate's comparison stand on.
#include "monitoring/intervals.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "drift/distributions.h"

namespace slipway::monitoring {

double TwoSided(double confidence) { return drift::NormalQuantile(0.5 + confidence / 2); }

Estimate MeanOf(double sum, double squares, double n, double z, double least) {
  const double mean = sum / n;
  const double variance = n > 1 ? std::max(0.0, (squares - n * mean * mean) / (n - 1)) : 0;
  const double reach = z * std::sqrt(variance / n);
  return {mean, std::max(least, mean - reach), mean + reach};
}

Estimate Wilson(double successes, double n, double z) {
  const double share = successes / n;
  const double scale = 1 + z * z / n;
  const double middle = (share + z * z / (2 * n)) / scale;
  const double reach = z * std::sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / scale;
  return {share, std::max(0.0, middle - reach), std::min(1.0, middle + reach)};
}

double SortedQuantile(const std::vector<double>& values, double q) {
  const double place = q * static_cast<double>(values.size() - 1);
  const size_t below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (place - static_cast<double>(below)) * (values[above] - values[below]);
}

}  // namespace slipway::monitoring
