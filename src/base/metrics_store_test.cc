// SPDX-License-Identifier: Apache-2.0
// What /metrics prints, judged by Prometheus' own tool. promtool reads the text format; OpenMetrics
// is pinned in metrics_test.cc.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/files.h"
#include "base/ids.h"
#include "base/metrics.h"
#include "base/process.h"

namespace slipway::base {
namespace {

TEST(Metrics, PassPromtool) {
  Metrics metrics;
  metrics.GetCounter("slipway_test_things", "Things.", {{"kind", "a\"\\\nb"}}).Add();
  metrics.GetGauge("slipway_test_open", "Open.").Set(2);
  metrics.GetHistogram("slipway_test_latency_seconds", "Latency.", LatencyBounds()).Observe(0.1);
  const std::string path = testing::TempDir() + "slipway_metrics_" + RandomHex32();
  ASSERT_TRUE(WriteFileAtomically(path, metrics.PrintPrometheusText()).ok());
  ProcessSpec spec;
  spec.argv = {"sh", "-c", "promtool check metrics < \"$0\"", path};
  spec.output_path = path + ".out";
  auto process = Process::Start(spec);
  ASSERT_TRUE(process.ok());
  const auto exit = process->Wait(60 * kSecond);
  ASSERT_TRUE(exit.ok());
  EXPECT_EQ(exit->exit_status, 0) << *ReadFile(spec.output_path, 1 << 20);
  std::filesystem::remove(path);
  std::filesystem::remove(spec.output_path);
}

}  // namespace
}  // namespace slipway::base
