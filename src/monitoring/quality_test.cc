// SPDX-License-Identifier: Apache-2.0
#include "monitoring/quality.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>

namespace slipway::monitoring {
namespace {

// 200 rows that the script behind the expected numbers makes alike: scores with many ties, and
// another model's, which are worse.
struct Table {
  std::vector<double> labels, scores, worse;
  Table() {
    for (int i = 0; i < 200; ++i) {
      const double score = (i * 7919) % 1000 / 1000.0;
      labels.push_back((i * 104729) % 997 / 997.0 < 0.15 + 0.7 * score ? 1 : 0);
      scores.push_back((i * 7919) % 1000 / 10 / 100.0);
      worse.push_back((score + (i * 31) % 10 / 10.0) / 2);
    }
  }
};
const Table kTable;

Estimate Measured(std::string_view metric, const std::vector<double>& scores) {
  return MeasureMetric(ParseMetric(metric).value(), kTable.labels, scores, 0.95).value();
}
Gain Gained(std::string_view metric, const BootstrapSettings& settings = {}) {
  return MeasureGain(ParseMetric(metric).value(), kTable.labels, kTable.worse, kTable.scores,
                     settings)
      .value();
}

// By scikit-learn 1.9 on the same rows; calibration by numpy.
TEST(Quality, IsWhatScikitLearnGives) {
  const std::map<std::string, std::pair<double, double>> expected = {
      {"auc", {0.7470723651286157, 0.6833149834851366}},
      {"pr_auc", {0.7573031487228895, 0.6779637345417531}},
      {"log_loss", {0.7835677407370448, 0.8212758471293128}},
      {"brier", {0.21055, 0.23009337500000002}},
      {"accuracy", {0.685, 0.645}},
      {"f1", {0.6865671641791045, 0.6395939086294417}},
      {"rmse", {0.45885727628533907, 0.4796804926198271}},
      {"mae", {0.37579999999999997, 0.43535}},
      {"calibration", {0.07369999999999999, 0.09159999999999999}},
  };
  ASSERT_EQ(expected.size(), Metrics().size());
  for (const auto& [name, values] : expected) {
    EXPECT_NEAR(Measured(name, kTable.scores).value, values.first, 1e-9) << name;
    EXPECT_NEAR(Measured(name, kTable.worse).value, values.second, 1e-9) << name;
  }
}

// By scipy 1.17: norm.interval of a mean, binomtest(...).proportion_ci("wilson"), and the logit
// interval of a proportion written out.
TEST(Quality, IntervalsAreWhatScipyGives) {
  const auto expect = [](std::string_view metric, double lower, double upper, double tolerance) {
    const Estimate estimate = Measured(metric, kTable.worse);
    EXPECT_NEAR(estimate.lower, lower, tolerance) << metric;
    EXPECT_NEAR(estimate.upper, upper, tolerance) << metric;
  };
  expect("brier", 0.2031405163523821, 0.2570462336476179, 1e-9);
  expect("rmse", 0.4507111229988404, 0.5069972718338932, 1e-9);
  expect("mae", 0.407367235667175, 0.46333276433282505, 1e-9);
  expect("accuracy", 0.5765211307549043, 0.7080137245956883, 1e-9);
  expect("f1", 0.5587209379968205, 0.7132520785098884, 1e-9);
  expect("pr_auc", 0.5820322519950965, 0.7609213956375352, 1e-9);
  expect("calibration", 0.0638, 0.1682, 0.02);  // scipy.stats.bootstrap, 2000 resamples
}

// scipy.stats.bootstrap(paired=True, method="percentile"), other random numbers.
TEST(Quality, AGainsBoundsAreThoseOfAPairedBootstrap) {
  const Gain mae = Gained("mae", {.resamples = 2000});
  EXPECT_NEAR(mae.lower, 0.033239, 0.005);
  EXPECT_NEAR(mae.upper, 0.086520, 0.005);
  const Gain pr_auc = Gained("pr_auc", {.resamples = 2000});
  EXPECT_NEAR(pr_auc.lower, 0.016152, 0.012);
  EXPECT_NEAR(pr_auc.upper, 0.141873, 0.012);
}

TEST(Quality, AGainIsPositiveWhenTheChallengerIsBetterWhateverTheMetric) {
  for (const Metric& metric : Metrics()) {
    const Gain gain = Gained(metric.name);
    EXPECT_GT(gain.gain, 0) << metric.name;
    EXPECT_LE(gain.lower, gain.gain) << metric.name;
    EXPECT_GE(gain.upper, gain.gain) << metric.name;
    EXPECT_NEAR(gain.gain, std::abs(gain.challenger - gain.reference), 1e-12) << metric.name;
  }
}

TEST(Quality, ItsIntervalHoldsTheValueWhateverTheMetric) {
  for (const Metric& metric : Metrics()) {
    const Estimate estimate = Measured(metric.name, kTable.scores);
    EXPECT_LE(estimate.lower, estimate.value) << metric.name;
    EXPECT_GE(estimate.upper, estimate.value) << metric.name;
  }
}

TEST(Quality, TheSameModelGainsNothingAndTheSameSeedGivesTheSameBounds) {
  const Metric auc = ParseMetric("auc").value();
  const Gain same = MeasureGain(auc, kTable.labels, kTable.scores, kTable.scores, {}).value();
  EXPECT_EQ(same.lower, 0);
  EXPECT_EQ(same.upper, 0);
  EXPECT_EQ(Gained("auc").lower, Gained("auc").lower);
}

TEST(Quality, SaysWhatCannotBeMeasured) {
  const std::vector<double> scores = {0.1, 0.9, 0.4}, ones(3, 1.0), twos(3, 2.0);
  const auto reason = [&](std::string_view metric, const std::vector<double>& labels,
                          const std::vector<double>& by) {
    return std::string(
        MeasureMetric(ParseMetric(metric).value(), labels, by, 0.95).status().reason());
  };
  EXPECT_EQ(reason("auc", ones, scores), "not_measurable");
  EXPECT_EQ(reason("f1", {0, 0, 0}, {0, 0, 0}), "not_measurable");
  EXPECT_EQ(reason("log_loss", twos, scores), "not_measurable");
  EXPECT_EQ(reason("mae", twos, {0.5, NAN, 0.5}), "not_measurable");
  EXPECT_EQ(reason("mae", {}, {}), "not_measurable");
  EXPECT_EQ(reason("mae", twos, scores), "");
  EXPECT_EQ(MeasureMetric(ParseMetric("mae").value(), twos, ones, 0.95).value().value, 1);
  EXPECT_EQ(MeasureMetric(ParseMetric("mae").value(), twos, {}, 0.95).status().field(), "scores");
  EXPECT_EQ(ParseMetric("gini").status().field(), "metric");
}

}  // namespace
}  // namespace slipway::monitoring
