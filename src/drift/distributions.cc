// SPDX-License-Identifier: Apache-2.0
// Part of every drift report: the probabilities behind intervals and verdicts. The only file with
// Boost.Math.
#include "drift/distributions.h"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/policies/policy.hpp>
#include <boost/math/special_functions/gamma.hpp>
#include <cmath>  // lgamma_r, which std::lgamma is not: it writes a global

namespace slipway::drift {
namespace {

namespace policies = boost::math::policies;
// Errors come back as values (infinity, NaN); nothing throws.
using Quiet = policies::policy<policies::domain_error<policies::ignore_error>,
                               policies::pole_error<policies::ignore_error>,
                               policies::overflow_error<policies::ignore_error>,
                               policies::evaluation_error<policies::ignore_error>>;

double LogChoose(double n, double k) {
  return LogGamma(n + 1) - LogGamma(k + 1) - LogGamma(n - k + 1);
}

}  // namespace

double NormalQuantile(double p) {
  return boost::math::quantile(boost::math::normal_distribution<double, Quiet>(), p);
}

double NormalTwoSided(double z) { return std::erfc(std::fabs(z) / std::sqrt(2.0)); }

double ChiSquareTail(double x, double freedom) {
  return x <= 0 ? 1 : boost::math::gamma_q(freedom / 2, x / 2, Quiet());
}

double GammaTail(double x, double mean, double variance) {
  return x <= 0 ? 1 : boost::math::gamma_q(mean * mean / variance, x * mean / variance, Quiet());
}

double LogGamma(double x) {
  int sign = 0;
  return ::lgamma_r(x, &sign);
}

double HypergeometricTail(int64_t hits, int64_t total_hits, int64_t drawn, int64_t population) {
  const int64_t most = std::min(total_hits, drawn);
  const int64_t least = std::max<int64_t>(0, total_hits + drawn - population);
  if (hits <= least) return 1;
  const auto hits_in = static_cast<double>(total_hits);
  const auto n = static_cast<double>(drawn);
  const auto all = static_cast<double>(population);
  const double start = LogChoose(hits_in, static_cast<double>(hits)) +
                       LogChoose(all - hits_in, n - static_cast<double>(hits)) - LogChoose(all, n);
  // Upwards from `hits` when that is the short way, else 1 minus the sum downwards.
  const bool upper = static_cast<double>(hits) * all >= hits_in * n;
  double term = 1;
  double sum = upper ? 1 : 0;
  for (int64_t k = hits; upper ? k < most : k > least; k += upper ? 1 : -1) {
    const auto from = static_cast<double>(upper ? k : k - 1);
    const double up = (hits_in - from) * (n - from) / ((from + 1) * (all - hits_in - n + from + 1));
    term *= upper ? up : 1 / up;
    sum += term;
    if (term < sum * 1e-17) break;
  }
  const double tail = std::exp(start) * sum;
  return std::clamp(upper ? tail : 1 - tail, 0.0, 1.0);
}

}  // namespace slipway::drift
