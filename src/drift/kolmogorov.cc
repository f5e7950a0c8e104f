// SPDX-License-Identifier: Apache-2.0
// Part of every drift report: how likely chance alone puts two distribution functions so far apart.
#include "drift/kolmogorov.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <numeric>
#include <vector>

#include "drift/distributions.h"

namespace slipway::drift {
namespace {

constexpr double kPi = std::numbers::pi;
constexpr int64_t kSmall = 140;
constexpr int64_t kQuickPaths = 200'000;
constexpr double kScale = 1e140;
const double kLogScale = std::log(kScale);

double LogFactorialOverPower(int64_t n) {  // ln(n! / n^n)
  const auto count = static_cast<double>(n);
  return LogGamma(count + 1) - count * std::log(count);
}

// A square matrix times 10^(140 exponent).
struct Matrix {
  size_t size = 0;
  std::vector<double> cells;
  int exponent = 0;

  explicit Matrix(size_t of_size) : size(of_size), cells(of_size * of_size) {}
  double& At(size_t row, size_t column) { return cells[row * size + column]; }
};

Matrix Multiply(Matrix& a, Matrix& b) {
  Matrix product(a.size);
  for (size_t i = 0; i < a.size; ++i) {
    for (size_t k = 0; k < a.size; ++k) {
      const double factor = a.At(i, k);
      if (factor == 0) continue;
      for (size_t j = 0; j < a.size; ++j) product.At(i, j) += factor * b.At(k, j);
    }
  }
  product.exponent = a.exponent + b.exponent;
  if (product.At(a.size / 2, a.size / 2) > kScale) {
    for (double& cell : product.cells) cell /= kScale;
    ++product.exponent;
  }
  return product;
}

// Durbin's matrix for d = (k - h) / n, of 2 k - 1 rows.
Matrix DurbinMatrix(size_t k, double h) {
  const size_t size = 2 * k - 1;
  Matrix matrix(size);
  std::vector<double> inverse_factorial(size + 1, 1.0);
  for (size_t i = 1; i <= size; ++i)
    inverse_factorial[i] = inverse_factorial[i - 1] / static_cast<double>(i);
  for (size_t row = 0; row < size; ++row) {
    for (size_t column = 0; column <= std::min(row + 1, size - 1); ++column)
      matrix.At(row, column) = inverse_factorial[row + 1 - column];
  }
  double power = 1;
  for (size_t i = 0; i < size; ++i) {
    power *= h;
    matrix.At(i, 0) -= power * inverse_factorial[i + 1];
    matrix.At(size - 1, size - 1 - i) -= power * inverse_factorial[i + 1];
  }
  if (h > 0.5) {
    matrix.At(size - 1, 0) +=
        std::pow(2 * h - 1, static_cast<double>(size)) * inverse_factorial[size];
  }
  return matrix;
}

// Marsaglia, Tsang & Wang 2003: P(D_n < d).
double DurbinCdf(int64_t n, double d) {
  const double nd = static_cast<double>(n) * d;
  const auto k = static_cast<size_t>(std::ceil(nd));
  Matrix base = DurbinMatrix(k, static_cast<double>(k) - nd);
  Matrix power(base.size);
  for (size_t i = 0; i < base.size; ++i) power.At(i, i) = 1;
  for (int64_t left = n; left > 0; left /= 2) {
    if (left % 2 == 1) power = Multiply(power, base);
    if (left > 1) base = Multiply(base, base);
  }
  const double middle = power.At(k - 1, k - 1);
  if (middle <= 0) return 0;
  return std::exp(std::log(middle) + power.exponent * kLogScale + LogFactorialOverPower(n));
}

// Smirnov: P(D+ >= d) = d sum_j C(n, j) (d + j/n)^(j-1) (1 - d - j/n)^(n-j). The terms are a smooth
// bell over j, zero at its ends to every digit when n is large: then a sum over every s-th term,
// times s, is the same sum.
double SmirnovTail(int64_t n, double d) {
  const auto count = static_cast<double>(n);
  const auto last = static_cast<int64_t>(std::floor(count * (1 - d)));
  const int64_t stride = n > 4'000 ? n / 2'000 : 1;
  const double log_all = LogGamma(count + 1);
  double sum = 0;
  for (int64_t j = 0; j <= last; j += stride) {
    const auto at = static_cast<double>(j);
    const double rest = 1 - d - at / count;
    if (rest <= 0) {
      if (j == n) sum += std::pow(d + 1, count - 1);
      continue;
    }
    sum += std::exp(log_all - LogGamma(at + 1) - LogGamma(count - at + 1) +
                    (at - 1) * std::log(d + at / count) + (count - at) * std::log(rest));
  }
  return std::clamp(d * sum * static_cast<double>(stride), 0.0, 1.0);
}

// Pelz & Good 1976, equations for K0 to K3 in their form for small z.
double PelzGoodCdf(int64_t n, double d) {
  const auto count = static_cast<double>(n);
  const double z = d * std::sqrt(count);
  const double z2 = z * z;
  const double z4 = z2 * z2;
  const double z6 = z4 * z2;
  const double z8 = z4 * z4;
  const double pi2 = kPi * kPi;
  const double pi4 = pi2 * pi2;
  const double pi6 = pi4 * pi2;
  std::array<double, 4> k{};
  const int terms = static_cast<int>(std::ceil(16 * z / kPi)) + 1;
  for (int i = 0; i < terms; ++i) {
    const double half = i + 0.5;  // sums over all integers, written over both halves at once
    const double h2 = half * half;
    const double h4 = h2 * h2;
    const double weight = 2 * std::exp(-pi2 * h2 / (2 * z2));
    k[0] += weight;
    k[1] += weight * (pi2 * h2 - z2);
    k[2] += weight * (6 * z6 + 2 * z4 + pi2 * (2 * z4 - 5 * z2) * h2 + pi4 * (1 - 2 * z2) * h4);
    k[3] += weight * (pi6 * h4 * h2 * (5 - 30 * z2) + pi4 * h4 * (-60 * z2 + 212 * z4) +
                      pi2 * h2 * (135 * z4 - 96 * z6) - 30 * z6 - 90 * z8);
  }
  double k2_whole = 0;
  double k3_whole = 0;
  for (int i = 1; i <= terms; ++i) {
    const double i2 = static_cast<double>(i) * i;
    const double weight = 2 * std::exp(-pi2 * i2 / (2 * z2));
    k2_whole += weight * pi2 * i2;
    k3_whole += weight * (3 * pi2 * i2 * z2 - pi4 * i2 * i2);
  }
  const double root = std::sqrt(kPi / 2);
  const double z3 = z2 * z;
  return root / z * k[0] + root / (6 * z4) * k[1] / std::sqrt(count) +
         (root / (72 * z6 * z) * k[2] - root / (36 * z3) * k2_whole) / count +
         (root / (6480 * z8 * z2) * k[3] + root / (216 * z6) * k3_whole) /
             (count * std::sqrt(count));
}

// Both samples of n: Gnedenko & Korolyuk 1951 by reflections, as one alternating product.
double EqualSizesTail(int64_t n, int64_t h) {
  double tail = 0;
  for (int64_t k = n / h; k >= 0; --k) {
    double term = 1;
    for (int64_t j = 0; j < h; ++j)
      term *= static_cast<double>(n - k * h - j) / static_cast<double>(n + k * h + j + 1);
    tail = term * (1 - tail);
  }
  return 2 * tail;
}

// A random path from (0, 0) to (m, n), m steps right and n up; how likely it touches
// |x n - y m| >= h gcd somewhere. P(x, y): the path, given that it passes (x, y), has touched
// before or there; its last step came from the left with probability x / (x + y). Hodges 1958.
double PathsTail(int64_t m, int64_t n, int64_t h) {
  if (m < n) std::swap(m, n);
  const int64_t divisor = std::gcd(m, n);
  const int64_t step_right = n / divisor;
  const int64_t step_up = m / divisor;
  std::vector<double> column(static_cast<size_t>(n) + 1, 1.0);
  for (int64_t x = 0; x <= m; ++x) {
    // Rows y with |x step_right - y step_up| < h.
    const int64_t along = x * step_right;
    const int64_t low = along < h ? 0 : (along - h) / step_up + 1;
    const int64_t high = std::min(n, (along + h - 1) / step_up);
    if (low > high) return 1;
    if (low > 0) column[static_cast<size_t>(low) - 1] = 1;
    for (int64_t y = low; y <= high; ++y) {
      if (x == 0 && y == 0) {
        column[0] = 0;
        continue;
      }
      const double left = x == 0 ? 0 : column[static_cast<size_t>(y)];
      const double below = y == 0 ? 0 : column[static_cast<size_t>(y) - 1];
      column[static_cast<size_t>(y)] =
          (left * static_cast<double>(x) + below * static_cast<double>(y)) /
          static_cast<double>(x + y);
    }
  }
  return column[static_cast<size_t>(n)];
}

double ExactTwoSampleTail(int64_t m, int64_t n, double d) {
  const double steps = static_cast<double>(m / std::gcd(m, n)) * static_cast<double>(n);
  const auto h = static_cast<int64_t>(std::llround(d * steps));
  if (h == 0) return 1;
  return std::clamp(m == n ? EqualSizesTail(n, h) : PathsTail(m, n, h), 0.0, 1.0);
}

double LimitTwoSampleTail(int64_t m, int64_t n, double d) {
  const double size =
      static_cast<double>(m) * (static_cast<double>(n) / static_cast<double>(m + n));
  return KolmogorovTail(std::max<int64_t>(1, std::llrint(size)), d);
}

}  // namespace

double KolmogorovTail(int64_t n, double d) {
  const auto count = static_cast<double>(n);
  const double t = count * d;
  if (d >= 1) return 0;
  if (t <= 0.5) return 1;
  if (t <= 1) return 1 - std::exp(LogFactorialOverPower(n) + count * std::log(2 * t - 1));
  if (t >= count - 1) return std::min(1.0, 2 * std::pow(1 - d, count));
  const double z2 = t * d;
  if (d >= 0.5 || z2 >= (n <= kSmall ? 4 : 2.2)) return std::min(1.0, 2 * SmirnovTail(n, d));
  const bool few_rows = n <= 100'000 && count * std::pow(d, 1.5) <= 1.4;
  const double cdf = n <= kSmall || few_rows ? DurbinCdf(n, d) : PelzGoodCdf(n, d);
  return std::clamp(1 - cdf, 0.0, 1.0);
}

double TwoSampleKsTail(int64_t m, int64_t n, double d) {
  return std::max(m, n) <= kExactSamples ? ExactTwoSampleTail(m, n, d)
                                         : LimitTwoSampleTail(m, n, d);
}

double QuickTwoSampleKsTail(int64_t m, int64_t n, double d) {
  if (std::max(m, n) <= kExactSamples && (m == n || m * n <= kQuickPaths))
    return ExactTwoSampleTail(m, n, d);
  const double size =
      static_cast<double>(m) * (static_cast<double>(n) / static_cast<double>(m + n));
  if (size <= kSmall || size * d * d < 2.2) return LimitTwoSampleTail(m, n, d);
  // Smirnov's sum to the second order (Maag & Dicaire 1971).
  const double root = 6 * size * d + 1;
  return std::min(1.0, 2 * std::exp(-root * root / (18 * size)));
}

}  // namespace slipway::drift
