// SPDX-License-Identifier: Apache-2.0
#include "pipelines/run_machine.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "pipelines/spec.h"

namespace slipway::pipelines {
namespace {

// data -> {train, check} -> publish
PipelineSpec Diamond() {
  PipelineSpec spec;
  const auto add = [&](const std::string& name, std::vector<std::string> needs) {
    StepSpec step;
    step.name = name;
    step.needs = std::move(needs);
    step.retries = {1, 10 * base::kSecond, 2};
    spec.steps.push_back(step);
  };
  add("data", {});
  add("train", {"data"});
  add("check", {"data"});
  add("publish", {"train", "check"});
  return spec;
}

class RunMachine : public testing::Test {
 protected:
  void End(size_t step, Ending ending, base::Micros now = 0) {
    progress_[step] = AfterEnding(spec_.steps[step], progress_[step], ending, now);
  }
  std::vector<size_t> Ready(base::Micros now = 0, size_t free = 9) {
    return ReadyToBegin(spec_, progress_, now, free);
  }

  PipelineSpec spec_ = Diamond();
  Progress progress_{4};
};

TEST_F(RunMachine, BeginsWhatHasAllThatItNeeds) {
  progress_.resize(4);
  EXPECT_EQ(Ready(), std::vector<size_t>{0});
  End(0, Ending::kSucceeded);
  EXPECT_EQ(Ready(), (std::vector<size_t>{1, 2}));
  EXPECT_EQ(Ready(0, 1), std::vector<size_t>{1}) << "not more than there are free places";
  progress_[1].state = StepState::kRunning;
  End(2, Ending::kSucceeded);
  EXPECT_TRUE(Ready().empty());
  EXPECT_FALSE(RunEnding(progress_).has_value());
  End(1, Ending::kSucceeded);
  EXPECT_EQ(Ready(), std::vector<size_t>{3});
  End(3, Ending::kSucceeded);
  EXPECT_EQ(RunEnding(progress_), "succeeded");
}

TEST_F(RunMachine, TriesAgainAfterTheBackoffAndThenGivesUp) {
  End(0, Ending::kFailed, 100);
  EXPECT_EQ(progress_[0].state, StepState::kWaiting);
  EXPECT_EQ(NextBackoff(progress_, 100), 100 + 10 * base::kSecond);
  EXPECT_TRUE(Ready(100 + 10 * base::kSecond - 1).empty());
  EXPECT_EQ(Ready(100 + 10 * base::kSecond), std::vector<size_t>{0});
  EXPECT_FALSE(RunEnding(progress_).has_value());
  End(0, Ending::kFailed, 100);
  EXPECT_EQ(progress_[0].state, StepState::kFailed);
  EXPECT_EQ(RunEnding(progress_), "failed");
  EXPECT_TRUE(Ready(base::kDay).empty());
}

TEST_F(RunMachine, TheBackoffDoublesUpToAnHour) {
  spec_.steps[0].retries.max = 100;
  std::vector<base::Micros> waits;
  for (int i = 0; i < 12; ++i) {
    End(0, Ending::kFailed, 0);
    waits.push_back(progress_[0].not_before / base::kSecond);
  }
  EXPECT_EQ(waits, (std::vector<base::Micros>{10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600,
                                              3600}));
}

TEST_F(RunMachine, ALostAttemptDoesNotUseUpTheRetries) {
  End(0, Ending::kLost);
  End(0, Ending::kLost);
  EXPECT_EQ(progress_[0].state, StepState::kWaiting);
  EXPECT_EQ(progress_[0].failures, 0);
  EXPECT_EQ(Ready(), std::vector<size_t>{0}) << "at once";
  End(0, Ending::kLost);
  EXPECT_EQ(progress_[0].state, StepState::kLost);
  EXPECT_EQ(RunEnding(progress_), "lost");
}

TEST_F(RunMachine, AfterAFailureNothingNewBeginsAndWhatRunsMayEnd) {
  End(0, Ending::kSucceeded);
  progress_[1].state = StepState::kRunning;
  progress_[2].failures = 1;
  End(2, Ending::kFailed);
  EXPECT_TRUE(Ready(base::kDay).empty());
  EXPECT_FALSE(RunEnding(progress_).has_value()) << "train still runs";
  End(1, Ending::kSucceeded);
  EXPECT_EQ(RunEnding(progress_), "failed");
}

TEST(StepStateName, IsReadBack) {
  for (int i = 0; i <= static_cast<int>(StepState::kSkipped); ++i) {
    const auto state = static_cast<StepState>(i);
    EXPECT_EQ(ParseStepState(StepStateName(state)), state);
  }
}

}  // namespace
}  // namespace slipway::pipelines
