// SPDX-License-Identifier: Apache-2.0
// Part of the monitoring walk: the probabilities behind intervals and drift verdicts. The only file
// with Boost.Math.
#include "monitoring/distributions.h"

#include <boost/math/distributions/normal.hpp>
#include <boost/math/policies/policy.hpp>
#include <boost/math/special_functions/gamma.hpp>

namespace slipway::monitoring {
namespace {

namespace policies = boost::math::policies;
// Errors come back as values (infinity, NaN); nothing throws.
using Quiet = policies::policy<policies::domain_error<policies::ignore_error>,
                               policies::pole_error<policies::ignore_error>,
                               policies::overflow_error<policies::ignore_error>,
                               policies::evaluation_error<policies::ignore_error>>;

}  // namespace

double NormalQuantile(double p) {
  return boost::math::quantile(boost::math::normal_distribution<double, Quiet>(), p);
}

double ChiSquareTail(double x, double freedom) {
  return x <= 0 ? 1 : boost::math::gamma_q(freedom / 2, x / 2, Quiet());
}

}  // namespace slipway::monitoring
