// SPDX-License-Identifier: Apache-2.0
#include "inference/tune.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/metrics.h"
#include "inference/testing.h"

namespace slipway::inference {
namespace {

class TuneTest : public testing::Test {
 protected:
  base::Result<std::vector<Trial>> Try(FakeSession::Body body, double latency_ms = 0,
                                       const TuneProgress& progress = {}) {
    std::vector<std::unique_ptr<Runtime>> runtimes;
    runtimes.push_back(std::make_unique<FakeRuntime>(
        [body](const std::string&) -> base::Result<std::unique_ptr<Session>> {
          return std::unique_ptr<Session>(std::make_unique<FakeSession>(OneNumberModel(), body));
        }));
    pool_ = std::make_unique<ModelPool>(PoolSettings{}, std::move(runtimes), metrics_);
    TuneTarget target;
    target.latency_ms = latency_ms;
    target.callers = 2;
    target.trial_ms = 2;
    return Tune(*pool_, {"m/1", "fake", "m"}, OneNumberModel(), {OneNumber({1}), OneNumber({2})},
                target, progress);
  }
  base::Metrics metrics_;
  std::unique_ptr<ModelPool> pool_;
};

TEST_F(TuneTest, TriesEachCombinationAndMarksOne) {
  const auto trials = Try(TimesTen);
  ASSERT_TRUE(trials.ok()) << trials.status().ToString();
  EXPECT_GE(trials->size(), 4U);
  EXPECT_EQ(std::ranges::count_if(*trials, &Trial::best), 1);
  for (const Trial& trial : *trials) {
    EXPECT_GT(trial.rows_per_s, 0);
    EXPECT_LE(trial.p50_ms, trial.p99_ms);
  }
  const auto best = std::ranges::find_if(*trials, &Trial::best);
  for (const Trial& trial : *trials) EXPECT_LE(trial.rows_per_s, best->rows_per_s);
  EXPECT_TRUE(pool_->Loaded().empty()) << "what was tried is gone again";
}

TEST_F(TuneTest, WhenNoneKeepsTheLatencyTheQuickestIsTheBest) {
  const auto trials = Try(TimesTen, 1e-9);
  ASSERT_TRUE(trials.ok());
  const auto best = std::ranges::find_if(*trials, &Trial::best);
  for (const Trial& trial : *trials) EXPECT_LE(best->p99_ms, trial.p99_ms);
}

TEST_F(TuneTest, TellsHowFarItIsAndEndsWhenItIsTold) {
  std::vector<size_t> told;
  const auto trials = Try(TimesTen, 0, [&](const std::vector<Trial>& all, size_t done) {
    told.push_back(done);
    if (done > 0) {
      EXPECT_GT(all[done - 1].rows_per_s, 0);
    }
    return done < 2;
  });
  EXPECT_EQ(trials.status().reason(), "tune_cancelled");
  EXPECT_EQ(told, (std::vector<size_t>{0, 1, 2}));
  EXPECT_TRUE(pool_->Loaded().empty());
}

TEST_F(TuneTest, AModelThatFailsIsNoResult) {
  const auto trials = Try(
      [](const Request&) -> base::Result<Response> { return base::Internal("run_failed", ""); });
  EXPECT_EQ(trials.status().reason(), "run_failed");
  EXPECT_TRUE(pool_->Loaded().empty());
}

TEST_F(TuneTest, WhatIsKeptIsReadBack) {
  ModelConfig config;
  ASSERT_TRUE(
      ReadScheduling(SchedulingText({.instances = 2, .threads = 3, .batch_rows = 8}), config).ok());
  EXPECT_EQ(config.instances, 2);
  EXPECT_EQ(config.max_batch_rows, 8);
  EXPECT_EQ(config.parameters["intra_op_threads"], "3");
  EXPECT_FALSE(ReadScheduling("fast", config).ok());
  EXPECT_EQ(ReadScheduling(R"({"instances":0})", config).field(), "slipway.scheduling.instances");
}

}  // namespace
}  // namespace slipway::inference
