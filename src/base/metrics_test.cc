// SPDX-License-Identifier: Apache-2.0
#include "base/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <regex>
#include <thread>

namespace slipway::base {
namespace {

using testing::HasSubstr;

TEST(Metrics, CountsFromManyThreads) {
  Metrics metrics;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) {
        metrics.GetCounter("slipway_test_things", "Things.", {{"kind", "a"}}).Add();
        metrics.GetHistogram("slipway_test_seconds", "Time.", LatencyBounds()).Observe(0.003);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(metrics.GetCounter("slipway_test_things", "Things.", {{"kind", "a"}}).Value(), 4000);
  EXPECT_EQ(metrics.GetHistogram("slipway_test_seconds", "Time.", LatencyBounds()).Count(), 4000U);
}

TEST(Metrics, PrintsBothDialects) {
  Metrics metrics;
  metrics.GetCounter("slipway_test_things", "A \"thing\"\nor two.", {{"b", "x\"\\\n"}, {"a", "1"}})
      .Add(2);
  metrics.GetGauge("slipway_test_level", "Level.").Set(1.5);
  const double bounds[] = {0.5, 1};
  Histogram& histogram = metrics.GetHistogram("slipway_test_seconds", "Time.", bounds);
  for (const double value : {0.5, 0.7, 3.0}) histogram.Observe(value);
  // When a series began is another number each time.
  const std::string printed = std::regex_replace(
      metrics.PrintOpenMetrics(), std::regex("(_created(\\{.*\\})?) [0-9.]+\n"), "$1 WHEN\n");
  EXPECT_EQ(printed,
            "# HELP slipway_test_level Level.\n"
            "# TYPE slipway_test_level gauge\n"
            "slipway_test_level 1.5\n"
            "# HELP slipway_test_seconds Time.\n"
            "# TYPE slipway_test_seconds histogram\n"
            "slipway_test_seconds_bucket{le=\"0.5\"} 1\n"
            "slipway_test_seconds_bucket{le=\"1.0\"} 2\n"
            "slipway_test_seconds_bucket{le=\"+Inf\"} 3\n"
            "slipway_test_seconds_sum 4.2\n"
            "slipway_test_seconds_count 3\n"
            "slipway_test_seconds_created WHEN\n"
            "# HELP slipway_test_things A \\\"thing\\\"\\nor two.\n"
            "# TYPE slipway_test_things counter\n"
            "slipway_test_things_total{a=\"1\",b=\"x\\\"\\\\\\n\"} 2\n"
            "slipway_test_things_created{a=\"1\",b=\"x\\\"\\\\\\n\"} WHEN\n"
            "# EOF\n");
  const std::string text = metrics.PrintPrometheusText();
  EXPECT_THAT(text, HasSubstr("# TYPE slipway_test_things_total counter\n"));
  EXPECT_THAT(text, HasSubstr("# HELP slipway_test_things_total A \"thing\"\\nor two.\n"));
  EXPECT_THAT(text, HasSubstr("le=\"1\"} 2\n"));
  EXPECT_EQ(text.find("# EOF"), std::string::npos);
}

TEST(Metrics, FoldsSeriesPastTheLimit) {
  Metrics metrics(2);
  for (const char* user : {"a", "b", "c", "d"}) {
    metrics.GetCounter("slipway_test_calls", "Calls.", {{"user", user}}).Add();
  }
  const std::string text = metrics.PrintPrometheusText();
  EXPECT_THAT(text, HasSubstr("{user=\"a\"} 1"));
  EXPECT_THAT(text, HasSubstr("{user=\"_other\"} 2"));
  EXPECT_EQ(text.find("\"c\""), std::string::npos);
  EXPECT_THAT(text, HasSubstr("slipway_base_folded_label_sets_total 2\n"));
}

// Field by field, as prometheus/client_model's metrics.proto numbers them.
TEST(Metrics, PrintsProtobufWithNativeBuckets) {
  Metrics metrics;
  metrics.GetCounter("slipway_test_things", "T", {{"a", "b"}}).Add(2);
  const double bounds[] = {1};
  Histogram& histogram = metrics.GetHistogram("slipway_test_seconds", "S", bounds);
  for (const double value : {1.0, 1.0, 1.05, 4.0, 0.0}) histogram.Observe(value);
  const std::string bytes = metrics.PrintProtobuf();
  // Buckets 0 (2 values) and 1 (1 value), then 14 empty ones, then bucket 16 (1 value).
  EXPECT_THAT(bytes, HasSubstr(std::string("\x62\x04\x08\x00\x10\x02", 6)));
  EXPECT_THAT(bytes, HasSubstr(std::string("\x62\x04\x08\x1c\x10\x01", 6)));
  EXPECT_THAT(bytes, HasSubstr(std::string("\x68\x04\x68\x01\x68\x00", 6)));  // +2, -1, +0
  EXPECT_THAT(bytes, HasSubstr(std::string("\x28\x06", 2)));                  // schema 3
  EXPECT_THAT(bytes, HasSubstr(std::string("\x38\x01", 2)));                  // one zero
  EXPECT_THAT(bytes, HasSubstr("\x0a\x19slipway_test_things_total\x12\x01T\x18"));
}

TEST(Metrics, EstimatesQuantiles) {
  Metrics metrics;
  const double bounds[] = {1, 2, 4};
  Histogram& histogram = metrics.GetHistogram("slipway_test_size", "Size.", bounds);
  EXPECT_EQ(histogram.Quantile(0.5), 0);
  for (int i = 0; i < 50; ++i) histogram.Observe(0.5);
  for (int i = 0; i < 50; ++i) histogram.Observe(1.5);
  EXPECT_DOUBLE_EQ(histogram.Quantile(0.25), 0.5);
  EXPECT_DOUBLE_EQ(histogram.Quantile(0.75), 1.5);
  histogram.Observe(100);
  EXPECT_DOUBLE_EQ(histogram.Quantile(1),
                   4);  // past the last bound there is nothing to interpolate
  histogram.Observe(std::nan(""));
  EXPECT_EQ(histogram.Count(), 101U);
}

TEST(Metrics, AsksForGaugesBeforePrinting) {
  Metrics metrics;
  Gauge& gauge = metrics.GetGauge("slipway_test_open", "Open.");
  metrics.OnCollect([&] { gauge.Set(7); });
  EXPECT_THAT(metrics.PrintPrometheusText(), HasSubstr("slipway_test_open 7\n"));
}

TEST(MetricsDeathTest, EndsTheProcessOnAWrongName) {
  Metrics metrics;
  EXPECT_DEATH(metrics.GetGauge("with space", ""), "with space");
  EXPECT_DEATH(metrics.GetCounter("slipway_x_total", ""), "slipway_x_total");
}

}  // namespace
}  // namespace slipway::base
