// SPDX-License-Identifier: Apache-2.0
#include "traffic/rollout_machine.h"

#include <gtest/gtest.h>

#include <cstdint>

#include "base/clock.h"
#include "traffic/analysis.h"
#include "traffic/rollouts.h"

namespace slipway::traffic {
namespace {

using Kind = RolloutDecision::Kind;

class RolloutMachine : public testing::Test {
 protected:
  RolloutMachine() {
    rollout_.steps = {
        {0.05, 10 * base::kMinute, 500}, {0.5, 10 * base::kMinute, 500}, {1, base::kMinute, 0}};
    rollout_.started = rollout_.step_started = 0;
    Find("error_rate", Finding::kInconclusive);
    Find("latency", Finding::kInconclusive);
  }
  void Find(const std::string& name, Finding finding) {
    for (MetricFinding& row : rollout_.analysis) {
      if (row.name == name) {
        row.finding = finding;
        return;
      }
    }
    MetricFinding row;
    row.name = name;
    row.finding = finding;
    row.why = "because of " + name;
    rollout_.analysis.push_back(row);
  }
  RolloutDecision At(base::Micros now, int64_t answers) {
    return Decide(rollout_, limits_, now, answers);
  }

  Rollout rollout_;
  RolloutLimits limits_{{"error_rate"}, base::kDay};
};

TEST_F(RolloutMachine, WaitsForTimeAndPredictions) {
  EXPECT_EQ(At(9 * base::kMinute, 5000).kind, Kind::kStay);
  EXPECT_EQ(At(20 * base::kMinute, 499).kind, Kind::kStay);
  EXPECT_EQ(At(20 * base::kMinute, 499).why,
            "step 1 of 3 (5 %): 20m of 10m, 499 of 500 predictions");
  EXPECT_EQ(At(10 * base::kMinute, 500).kind, Kind::kAdvance);
}

TEST_F(RolloutMachine, GoesBackAsSoonAsAnyMetricFails) {
  Find("latency", Finding::kFail);
  const RolloutDecision decision = At(1, 20);
  EXPECT_EQ(decision.kind, Kind::kRollBack);
  EXPECT_EQ(decision.why, "latency: because of latency");
  rollout_.state = RolloutState::kPaused;
  EXPECT_EQ(At(1, 20).kind, Kind::kRollBack) << "a paused rollout is guarded too";
  rollout_.state = RolloutState::kRunning;
  rollout_.step = 2;
  EXPECT_EQ(At(1, 20).kind, Kind::kRollBack) << "and the last step";
}

TEST_F(RolloutMachine, AllTrafficNeedsEveryRequiredMetricShownHarmless) {
  rollout_.step = 1;
  EXPECT_EQ(At(base::kHour, 5000).kind, Kind::kStay) << "nothing failed, and that is not enough";
  EXPECT_EQ(At(base::kHour, 5000).why, "step 2 of 3 (50 %): error_rate: because of error_rate");
  Find("error_rate", Finding::kPass);
  EXPECT_EQ(At(base::kHour, 5000).kind, Kind::kAdvance) << "latency is not required";
  rollout_.step = 2;
  EXPECT_EQ(At(base::kHour, 0).kind, Kind::kPromote);
  Find("error_rate", Finding::kInconclusive);
  EXPECT_EQ(At(base::kHour, 0).kind, Kind::kStay);
}

TEST_F(RolloutMachine, WithoutTrafficItPausesAndNeverPromotes) {
  rollout_.steps = {{0.05, 0, 0}};
  EXPECT_EQ(At(base::kDay - 1, 0).kind, Kind::kStay);
  const RolloutDecision decision = At(base::kDay, 0);
  EXPECT_EQ(decision.kind, Kind::kPause);
  EXPECT_NE(decision.why.find("not decided after"), std::string::npos);
}

TEST_F(RolloutMachine, WhenPausedAPersonDecides) {
  rollout_.state = RolloutState::kPaused;
  Find("error_rate", Finding::kPass);
  EXPECT_EQ(At(2 * base::kDay, 100000).kind, Kind::kStay);
}

TEST_F(RolloutMachine, ARequiredMetricThatIsMissingIsNotPassed) {
  limits_.required = {"accuracy"};
  rollout_.step = 2;
  EXPECT_EQ(At(base::kHour, 5000).kind, Kind::kStay);
}

}  // namespace
}  // namespace slipway::traffic
