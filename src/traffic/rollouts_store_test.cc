// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/metrics.h"
#include "base/status.h"
#include "events/events.h"
#include "events/migrations.h"
#include "storage/databases_testing.h"
#include "traffic/analysis.h"
#include "traffic/endpoints.h"
#include "traffic/loader_testing.h"
#include "traffic/migrations.h"
#include "traffic/rollouts.h"

namespace slipway::traffic {
namespace {

using base::Code;

class RolloutsStore : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    ASSERT_EQ(database_->Migrate(events::Migrations()).ToString(), "OK");
    ASSERT_EQ(database_->Migrate(Migrations()).ToString(), "OK");
    settings_.error_rate_tolerance = 0.05;
    settings_.required = {"error_rate"};
    settings_.checkpoint = {0};
    ASSERT_EQ(Restart().ToString(), "OK");
    ASSERT_TRUE(endpoints_->Apply("flights", {{"stable", "flights", 1, 1}}, actor_, "first").ok());
  }
  base::Status Restart() {
    rollouts_.reset();
    endpoints_ = std::make_unique<Endpoints>(*database_, events_, clock_, loader_, metrics_);
    TRY(endpoints_->Start());
    rollouts_ = std::make_unique<Rollouts>(*database_, events_, clock_, metrics_, *endpoints_,
                                           MakeAnalyses(settings_), settings_);
    return rollouts_->Start();
  }
  base::Result<Rollout> Begin(int64_t version = 2) {
    StartRollout request;
    request.endpoint = "flights";
    request.to_version = version;
    request.actor = actor_;
    return rollouts_->Begin(request);
  }
  // `count` requests of as many users, routed as serving routes them; the share of the candidate's
  // that fails is given.
  void Traffic(int count, double candidate_failing = 0) {
    for (int i = 0; i < count; ++i) {
      const auto served = endpoints_->Find("flights");
      const std::string key = "user-" + std::to_string(next_user_++);
      const Arm& arm = served->arms[ChooseArm(*served, key)].arm;
      const bool failed = arm.name == kCandidate && next_user_ % 100 < candidate_failing * 100;
      rollouts_->Observe("flights", served->plan.epoch, arm.name, key, failed, 1'000'000);
    }
  }
  void Pass(base::Micros time) {
    ASSERT_TRUE(clock_.Advance(clock_.Now() + time).ok());
    ASSERT_EQ(rollouts_->Tick(clock_.Now()).ToString(), "OK");
  }
  std::vector<std::string> EventTypes() {
    events::EventFilter filter;
    filter.type_prefix = "rollout.";
    std::vector<std::string> types;
    const auto events = events_.List(filter).value();
    types.reserve(events.size());
    for (const events::Event& event : events) types.push_back(event.type);
    return types;
  }
  Plan PlanNow() { return endpoints_->Find("flights")->plan; }

  storage::TestDatabase database_{GetParam()};
  base::DrivenClock clock_{1'000'000'000'000};
  base::Metrics metrics_;
  events::EventLog events_{*database_, clock_};
  FakeLoader loader_;
  RolloutSettings settings_;
  std::unique_ptr<Endpoints> endpoints_;
  std::unique_ptr<Rollouts> rollouts_;
  events::Actor actor_{"ada", "test"};
  int next_user_ = 0;
};

TEST_P(RolloutsStore, AGoodVersionTakesEveryStepAndIsPromoted) {
  const std::string id = Begin().value().id;
  EXPECT_EQ(PlanNow().arms.at(1).weight, 0.05);
  for (const double weight : {0.25, 0.5, 1.0}) {
    Traffic(12000);
    Pass(10 * base::kMinute);
    ASSERT_EQ(PlanNow().arms.at(1).weight, weight) << rollouts_->Get(id)->reason;
  }
  Traffic(600);
  Pass(10 * base::kMinute);
  const Rollout rollout = rollouts_->Get(id).value();
  EXPECT_EQ(rollout.state, RolloutState::kPromoted) << rollout.reason;
  EXPECT_EQ(rollout.analysis.at(0).finding, Finding::kPass);
  ASSERT_EQ(PlanNow().arms.size(), 1u);
  EXPECT_EQ(PlanNow().arms[0].version, 2);
  EXPECT_EQ(PlanNow().arms[0].name, "stable");
  EXPECT_EQ(EventTypes(),
            (std::vector<std::string>{"rollout.started", "rollout.step", "rollout.step",
                                      "rollout.step", "rollout.promoted"}));
  EXPECT_EQ(rollout.history.size(), 5u);
  EXPECT_NE(endpoints_->FindVersion("flights", 1), nullptr) << "the former stable stays warm";
  EXPECT_EQ(endpoints_->Rollback("flights", actor_, "").value().arms.at(0).version, 1);
}

TEST_P(RolloutsStore, ABrokenVersionGoesBackWithItsEvidence) {
  const std::string id = Begin().value().id;
  int candidate_requests = 0;
  while (rollouts_->Get(id)->active() && candidate_requests < 1000) {
    Traffic(20, 1.0);
    candidate_requests = next_user_ / 20;
    Pass(base::kSecond);
  }
  EXPECT_LE(candidate_requests, 40);
  ASSERT_EQ(PlanNow().arms.size(), 1u);
  EXPECT_EQ(PlanNow().arms[0].version, 1);
  const Rollout rollout = rollouts_->Get(id).value();
  EXPECT_EQ(rollout.state, RolloutState::kRolledBack);
  EXPECT_TRUE(rollout.ended.has_value());
  events::EventFilter filter;
  filter.type_prefix = "rollout.rolled_back";
  const auto events = events_.List(filter).value();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].subject, "endpoint/flights");
  const base::Json& metric = events[0].data.Find("analysis")->Find("metrics")->AsArray().at(0);
  EXPECT_EQ(metric.Find("verdict")->AsString(), "fail");
  EXPECT_GE(metric.Find("candidate")->Find("n")->AsInt(), 20);
}

TEST_P(RolloutsStore, AVersionWithWorseLabelsGoesBack) {
  Begin().value();
  const base::Micros predicted = clock_.Now();
  for (int i = 0; i < 2000; ++i) {
    const double noise = 0.1 * (i % 7);
    rollouts_->ObserveLoss("flights", i % 2 == 0 ? 1 : 2, "row-" + std::to_string(i), predicted,
                           noise + (i % 2 == 0 ? 0 : 0.2));
  }
  Pass(base::kSecond);
  EXPECT_EQ(rollouts_->List("flights")->at(0).state, RolloutState::kRolledBack);
  EXPECT_NE(rollouts_->List("flights")->at(0).reason.find("loss: worse"), std::string::npos);
}

TEST_P(RolloutsStore, LabelsOfEarlierPredictionsAndOtherVersionsDoNotCount) {
  const std::string id = Begin().value().id;
  for (int i = 0; i < 2000; ++i) {
    const std::string key = "row-" + std::to_string(i);
    rollouts_->ObserveLoss("flights", 2, key, clock_.Now() - 1, 1);
    rollouts_->ObserveLoss("flights", 7, key, clock_.Now(), 1);
    rollouts_->ObserveLoss("other", 2, key, clock_.Now(), 1);
    rollouts_->Observe("flights", 1, "stable", key, true, 1);
    rollouts_->Observe("other", 2, "candidate", key, true, 1);
    rollouts_->Observe("flights", 2, "shadow", key, true, 1);
  }
  const Rollout rollout = rollouts_->Get(id).value();
  for (const MetricFinding& finding : rollout.analysis) {
    EXPECT_EQ(finding.stable_count + finding.candidate_count, 0) << finding.name;
  }
}

TEST_P(RolloutsStore, WithoutTrafficItPausesAtItsStepAndAPersonDecides) {
  const std::string id = Begin().value().id;
  Pass(settings_.max_duration.micros);
  EXPECT_EQ(rollouts_->Get(id)->state, RolloutState::kPaused);
  EXPECT_EQ(PlanNow().arms.at(1).weight, 0.05);
  Pass(base::kDay);
  EXPECT_EQ(EventTypes(), (std::vector<std::string>{"rollout.started", "rollout.paused"}));
  EXPECT_EQ(rollouts_->Promote(id, actor_, "").status().field(), "reason");
  const Rollout promoted = rollouts_->Promote(id, actor_, "checked by hand").value();
  EXPECT_EQ(promoted.state, RolloutState::kPromoted);
  EXPECT_EQ(PlanNow().arms.at(0).version, 2);
  events::EventFilter filter;
  filter.type_prefix = "rollout.promoted";
  EXPECT_TRUE(events_.List(filter)->at(0).data.Find("forced")->AsBool());
}

TEST_P(RolloutsStore, AbortGivesAllToStable) {
  const std::string id = Begin().value().id;
  ASSERT_TRUE(rollouts_->Abort(id, actor_, "changed our mind").ok());
  ASSERT_EQ(PlanNow().arms.size(), 1u);
  EXPECT_EQ(PlanNow().arms[0].version, 1);
  EXPECT_EQ(rollouts_->Abort(id, actor_, "").status().reason(), "rollout_ended");
  EXPECT_EQ(rollouts_->Abort("nonsense", actor_, "").status().reason(), "rollout_not_found");
  EXPECT_TRUE(Begin(3).ok()) << "the next one may begin";
}

TEST_P(RolloutsStore, RefusesWhatCannotBegin) {
  EXPECT_EQ(Begin(1).status().reason(), "already_stable");
  StartRollout unknown;
  unknown.endpoint = "other";
  unknown.to_version = 2;
  EXPECT_EQ(rollouts_->Begin(unknown).status().reason(), "endpoint_not_found");
  loader_.Break("flights", 4);
  EXPECT_EQ(Begin(4).status().code(), Code::kNotFound);
  ASSERT_TRUE(Begin(2).ok()) << "a failed beginning leaves nothing behind";
  EXPECT_EQ(Begin(3).status().reason(), "rollout_active");
}

TEST_P(RolloutsStore, YieldsToAPlanThatSomebodyElseApplied) {
  const std::string id = Begin().value().id;
  ASSERT_TRUE(endpoints_->Rollback("flights", actor_, "by hand").ok());
  Pass(base::kSecond);
  EXPECT_EQ(rollouts_->Get(id)->state, RolloutState::kAborted);
  EXPECT_EQ(PlanNow().arms.size(), 1u);
  EXPECT_EQ(EventTypes().back(), "rollout.aborted");
}

TEST_P(RolloutsStore, GoesOnAfterARestartWithItsEvidence) {
  const std::string id = Begin().value().id;
  Traffic(12000);
  Pass(base::kMinute);
  const Rollout before = rollouts_->Get(id).value();
  ASSERT_EQ(Restart().ToString(), "OK");
  const Rollout after = rollouts_->Get(id).value();
  EXPECT_EQ(after.state, RolloutState::kRunning);
  EXPECT_EQ(ToJson(after.analysis.at(0)), ToJson(before.analysis.at(0)));
  EXPECT_GT(after.analysis.at(0).candidate_count, 500);
  Pass(10 * base::kMinute);
  EXPECT_EQ(PlanNow().arms.at(1).weight, 0.25) << "the predictions from before the restart count";
  Traffic(100);
  EXPECT_GT(rollouts_->Get(id)->analysis.at(0).candidate_count,
            after.analysis.at(0).candidate_count);
}

TEST_P(RolloutsStore, StopSavesTheEvidence) {
  settings_.checkpoint = {base::kHour};
  ASSERT_TRUE(Restart().ok());
  const std::string id = Begin().value().id;
  Traffic(1000);
  const int64_t seen = rollouts_->Get(id)->analysis.at(0).stable_count;
  rollouts_->Stop();
  ASSERT_TRUE(Restart().ok());
  EXPECT_EQ(rollouts_->Get(id)->analysis.at(0).stable_count, seen);
}

TEST_P(RolloutsStore, ARequiredMetricThatDoesNotExistIsRefusedAtStart) {
  settings_.required = {"accuracy"};
  EXPECT_EQ(Restart().field(), "rollout.required");
}

TEST_P(RolloutsStore, EveryObservationOfManyThreadsIsCounted) {
  const std::string id = Begin().value().id;
  const int64_t epoch = PlanNow().epoch;
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 5000; ++i) {
        const std::string key = std::to_string(t) + "/" + std::to_string(i);
        rollouts_->Observe("flights", epoch, i % 2 == 0 ? "stable" : "candidate", key, i % 50 == 0,
                           1000);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const MetricFinding finding = rollouts_->Get(id)->analysis.at(0);
  EXPECT_EQ(finding.stable_count, 10000);
  EXPECT_EQ(finding.candidate_count, 10000);
  EXPECT_DOUBLE_EQ(finding.stable_mean, 0.04);
}

INSTANTIATE_TEST_SUITE_P(Databases, RolloutsStore, testing::ValuesIn(storage::DatabaseKinds()));

}  // namespace
}  // namespace slipway::traffic
