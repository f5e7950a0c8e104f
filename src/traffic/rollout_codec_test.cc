// SPDX-License-Identifier: Apache-2.0
#include "traffic/rollout_codec.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/json.h"
#include "traffic/analysis.h"
#include "traffic/evidence.h"
#include "traffic/rollouts.h"

namespace slipway::traffic {
namespace {

using base::Json;

TEST(ParseSteps, HasDefaultsThatEndWithAllTraffic) {
  const auto steps = ParseSteps(Json()).value();
  ASSERT_EQ(steps.size(), 4u);
  EXPECT_EQ(steps[0].weight, 0.05);
  EXPECT_EQ(steps[3].weight, 1);
}

TEST(ParseSteps, ReadsDurationsAsTextOrSeconds) {
  const auto steps =
      ParseSteps(Json::Parse(R"([{"weight": 0.1, "min_duration": "90s", "min_predictions": 7},
                                               {"weight": 1, "min_duration_s": 0.25}])")
                     .value());
  ASSERT_TRUE(steps.ok()) << steps.status().ToString();
  EXPECT_EQ((*steps)[0].min_duration, 90 * base::kSecond);
  EXPECT_EQ((*steps)[0].min_predictions, 7);
  EXPECT_EQ((*steps)[1].min_duration, 250 * base::kMillisecond);
}

struct BadSteps {
  std::string json;
  std::string field;
};
class ParseStepsRefuses : public testing::TestWithParam<BadSteps> {};
TEST_P(ParseStepsRefuses, NamingTheField) {
  const auto steps = ParseSteps(Json::Parse(GetParam().json).value());
  EXPECT_EQ(steps.status().field(), GetParam().field) << steps.status().ToString();
}
INSTANTIATE_TEST_SUITE_P(
    Settings, ParseStepsRefuses,
    testing::Values(
        BadSteps{"[]", "rollout.steps"}, BadSteps{"{}", "rollout.steps"},
        BadSteps{"[1]", "rollout.steps[0]"},
        BadSteps{R"([{"weight": 0}])", "rollout.steps[0].weight"},
        BadSteps{R"([{"weight": 1.5}])", "rollout.steps[0].weight"},
        BadSteps{R"([{"weight": 0.5}, {"weight": 0.5}])", "rollout.steps[1].weight"},
        BadSteps{R"([{"weight": 0.5, "min_duration": "soon"}])", "rollout.steps[0].min_duration"},
        BadSteps{R"([{"weight": 0.5, "min_duration_s": -1}])", "rollout.steps[0].min_duration_s"},
        BadSteps{R"([{"weight": 0.5, "min_predictions": -1}])", "rollout.steps[0].min_predictions"},
        BadSteps{R"([{"weight": 0.5, "wait": 1}])", "rollout.steps[0].wait"}));

TEST(RolloutJson, ReadsBackWhatItWrote) {
  Rollout rollout;
  rollout.id = "01J";
  rollout.endpoint = "flights";
  rollout.model = "flights";
  rollout.from_version = 1;
  rollout.to_version = 2;
  rollout.state = RolloutState::kRolledBack;
  rollout.step = 1;
  rollout.steps = {{0.05, 1500 * base::kMillisecond, 3}, {1, 0, 0}};
  rollout.started = 1'363'046'400'000'001;
  rollout.step_started = rollout.started + 5;
  rollout.ended = rollout.started + 9;
  rollout.epoch = 12;
  rollout.reason = "error_rate: worse";
  MetricFinding finding;
  finding.name = "error_rate";
  finding.finding = Finding::kFail;
  finding.candidate_count = 40;
  finding.candidate_mean = 0.5;
  finding.lower = 0.25;
  finding.alpha = 0.05;
  rollout.analysis = {finding};
  rollout.history = {{rollout.started, 0, 0.05, "start", "asked for"}};
  const auto back = RolloutFromJson(Json::Parse(ToJson(rollout).Dump()).value());
  ASSERT_TRUE(back.ok()) << back.status().ToString();
  EXPECT_EQ(ToJson(*back).Dump(), ToJson(rollout).Dump());
  EXPECT_EQ(back->started, rollout.started);
  EXPECT_EQ(back->ended, rollout.ended);
  EXPECT_FALSE(back->analysis[0].upper.has_value());
}

TEST(Evidence, SurvivesSaving) {
  Analyses analyses = MakeAnalyses(RolloutSettings());
  Evidence evidence{1, 2, {std::make_shared<StepEvidence>(7, 100, analyses.size())}};
  Outcome outcome;
  outcome.total_ns = 1000;
  for (size_t i = 0; i < 300; ++i) {
    outcome.failed = i % 10 == 0;
    evidence.steps[0]->Add(analyses, i % 2 == 0 ? Side::kOfStable : Side::kOfCandidate, i, outcome);
  }
  const auto back =
      Evidence::Restore(analyses, Json::Parse(evidence.Save(analyses).Dump()).value());
  ASSERT_TRUE(back.ok()) << back.status().ToString();
  EXPECT_EQ(back->steps[0]->candidate_answers(), 150);
  const auto before = evidence.Judge(analyses, 0.05);
  const auto after = back->Judge(analyses, 0.05);
  ASSERT_EQ(before.size(), after.size());
  for (size_t i = 0; i < before.size(); ++i) EXPECT_EQ(ToJson(before[i]), ToJson(after[i]));
}

TEST(Evidence, FindsTheStepByPlanAndByTime) {
  Evidence evidence{
      1, 2, {std::make_shared<StepEvidence>(7, 100, 0), std::make_shared<StepEvidence>(9, 200, 0)}};
  EXPECT_EQ(evidence.OfEpoch(7), evidence.steps[0].get());
  EXPECT_EQ(evidence.OfEpoch(8), nullptr);
  EXPECT_EQ(evidence.OfTime(99), nullptr);
  EXPECT_EQ(evidence.OfTime(199), evidence.steps[0].get());
  EXPECT_EQ(evidence.OfTime(200), evidence.steps[1].get());
}

}  // namespace
}  // namespace slipway::traffic
