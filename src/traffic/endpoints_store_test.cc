// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/status.h"
#include "events/actor.h"
#include "events/events.h"
#include "events/migrations.h"
#include "storage/database.h"
#include "storage/databases_testing.h"
#include "traffic/endpoints.h"
#include "traffic/loader_testing.h"
#include "traffic/migrations.h"

namespace slipway::traffic {
namespace {

using base::Code;

class EndpointsStore : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    ASSERT_EQ(database_->Migrate(events::Migrations()).ToString(), "OK");
    ASSERT_EQ(database_->Migrate(Migrations()).ToString(), "OK");
    Restart();
  }
  void Restart() {
    endpoints_ = std::make_unique<Endpoints>(*database_, events_, clock_, loader_, metrics_);
    start_ = endpoints_->Start();
  }
  Plan Stable(int64_t version) {
    auto plan = endpoints_->Apply("flights", {{"stable", "flights", version, 1}}, actor_, "test");
    EXPECT_EQ(plan.status().ToString(), "OK");
    return plan.value();
  }
  Plan Canary(int64_t from, int64_t to, double weight) {
    auto plan = endpoints_->Apply(
        "flights", {{"stable", "flights", from, 1 - weight}, {"candidate", "flights", to, weight}},
        actor_, "test");
    EXPECT_EQ(plan.status().ToString(), "OK");
    return plan.value();
  }
  int64_t ServedVersion() { return endpoints_->Find("flights")->arms.at(0).arm.version; }

  storage::TestDatabase database_{GetParam()};
  base::DrivenClock clock_{1'000'000};
  base::Metrics metrics_;
  events::EventLog events_{*database_, clock_};
  FakeLoader loader_;
  std::unique_ptr<Endpoints> endpoints_;
  base::Status start_;
  events::Actor actor_{"ada", "test"};
};

TEST_P(EndpointsStore, AnUnknownEndpointIsNothing) {
  EXPECT_TRUE(start_.ok());
  EXPECT_EQ(endpoints_->Find("flights"), nullptr);
  EXPECT_EQ(endpoints_->Rollback("flights", actor_, "").status().reason(), "endpoint_not_found");
}

TEST_P(EndpointsStore, ANewVersionIsWarmedWithWhatTheFormerWasAskedLately) {
  Stable(1);
  inference::Request request;
  request.inputs = {{"x", inference::Tensor::Of<float>({1, 1}, {7})}};
  loader_.Model("flights", 1)->recent = {request, request};
  Canary(1, 2, 0.5);
  EXPECT_EQ(loader_.Model("flights", 2)->runs, 6);
  EXPECT_EQ(loader_.Model("flights", 1)->runs, 0);
}

TEST_P(EndpointsStore, TwoHundredSwapsUnderLoadFailNobodyAndMixNoVersions) {
  Stable(1);
  std::atomic<bool> stop{false};
  std::atomic<int> answered{0}, wrong{0};
  std::vector<std::thread> callers;
  for (int t = 0; t < 3; ++t) {
    callers.emplace_back([&] {
      while (!stop) {
        const auto served = endpoints_->Find("flights");
        const ServedArm& arm = served->arms.at(ChooseArm(*served, "key"));
        arm.model->Run({}, {}, [&](const base::Result<inference::Response>& response, auto) {
          const bool right = response.ok() && response->outputs[0].tensor.NumberAt(0) ==
                                                  static_cast<double>(arm.arm.version);
          ++(right ? answered : wrong);
        });
      }
    });
  }
  for (int64_t version = 2; version <= 201; ++version) Stable(version);
  stop = true;
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(answered, 0);
  EXPECT_EQ(ServedVersion(), 201);
  EXPECT_EQ(loader_.Loaded(), (std::vector<std::string>{"flights/200", "flights/201"}))
      << "the former one is a warm standby, the others have gone";
}

TEST_P(EndpointsStore, ServesWhatWasAppliedAndSaysSo) {
  const Plan plan = Stable(1);
  EXPECT_EQ(plan.epoch, 1);
  EXPECT_EQ(plan.since, 1'000'000);
  const auto served = endpoints_->Find("flights");
  ASSERT_NE(served, nullptr);
  EXPECT_EQ(served->arms.at(0).model, loader_.Model("flights", 1));
  const auto events = events_.List({}).value();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].type, "endpoint.plan_changed");
  EXPECT_EQ(events[0].subject, "endpoint/flights");
  EXPECT_EQ(events[0].actor.name, "ada");
  EXPECT_EQ(events[0].data.Find("epoch")->AsInt(), 1);
  EXPECT_EQ(events[0].data.Find("why")->AsString(), "test");
  EXPECT_NE(metrics_.PrintPrometheusText().find(
                "slipway_traffic_weight{arm=\"stable\",endpoint=\"flights\",version=\"1\"} 1"),
            std::string::npos)
      << metrics_.PrintPrometheusText();
}

TEST_P(EndpointsStore, AVersionThatDoesNotLoadChangesNothing) {
  Stable(1);
  loader_.Break("flights", 2);
  const auto plan = endpoints_->Apply("flights", {{"stable", "flights", 2, 1}}, actor_, "");
  EXPECT_EQ(plan.status().code(), Code::kNotFound);
  EXPECT_NE(plan.status().message().find("version 2 of model \"flights\""), std::string::npos);
  EXPECT_EQ(ServedVersion(), 1);
  EXPECT_EQ(events_.LastSequence(), 1);
}

TEST_P(EndpointsStore, SurvivesARestart) {
  Stable(1);
  const Plan before = Canary(1, 2, 0.25);
  Restart();
  EXPECT_TRUE(start_.ok());
  const auto served = endpoints_->Find("flights");
  ASSERT_NE(served, nullptr);
  EXPECT_EQ(served->plan.epoch, before.epoch);
  EXPECT_EQ(served->plan.salt, before.salt);
  ASSERT_EQ(served->arms.size(), 2u);
  EXPECT_EQ(served->arms[1].arm.weight, 0.25);
}

TEST_P(EndpointsStore, ACandidateThatIsGoneAfterARestartLeavesItsShareToStable) {
  Stable(1);
  Canary(1, 2, 0.25);
  loader_.Break("flights", 2);
  Restart();
  EXPECT_FALSE(start_.ok());
  EXPECT_NE(start_.message().find("version 2"), std::string::npos);
  const auto served = endpoints_->Find("flights");
  ASSERT_NE(served, nullptr);
  ASSERT_EQ(served->arms.size(), 1u);
  EXPECT_EQ(served->arms[0].arm.weight, 1);
  EXPECT_EQ(served->plan.epoch, 2);
}

TEST_P(EndpointsStore, RollbackRestoresTheFormerVersionWithoutLoadingIt) {
  Stable(1);
  Stable(2);
  const int loads = loader_.loads();
  const auto plan = endpoints_->Rollback("flights", actor_, "it is wrong");
  ASSERT_EQ(plan.status().ToString(), "OK");
  EXPECT_EQ(plan->epoch, 3);
  EXPECT_EQ(ServedVersion(), 1);
  EXPECT_EQ(loader_.loads(), loads) << "the standby was warm";
  EXPECT_EQ(endpoints_->Rollback("flights", actor_, "")->arms.at(0).version, 2) << "and back again";
}

TEST_P(EndpointsStore, RollbackDuringACanaryGivesAllToStable) {
  Stable(1);
  Stable(2);
  Canary(2, 3, 0.5);
  EXPECT_EQ(endpoints_->Rollback("flights", actor_, "")->arms.at(0).version, 2);
  EXPECT_EQ(endpoints_->Rollback("flights", actor_, "")->arms.at(0).version, 1)
      << "3 never had all the traffic";
}

TEST_P(EndpointsStore, RollbackWithoutHistoryIsRefused) {
  Stable(1);
  EXPECT_EQ(endpoints_->Rollback("flights", actor_, "").status().reason(), "nothing_to_restore");
}

TEST_P(EndpointsStore, KeepsOneStandbyLoadedAndReleasesOlderOnes) {
  Stable(1);
  Stable(2);
  EXPECT_EQ(loader_.Loaded(), (std::vector<std::string>{"flights/1", "flights/2"}));
  Stable(3);
  EXPECT_EQ(loader_.Loaded(), (std::vector<std::string>{"flights/2", "flights/3"}));
  Restart();
  EXPECT_NE(endpoints_->FindVersion("flights", 2), nullptr) << "warm after a restart too";
}

TEST_P(EndpointsStore, VersionsAskedForByNumberStayLoadedUpToALimit) {
  Stable(1);
  for (int64_t version = 10; version < 10 + static_cast<int64_t>(kMaxAskedVersions) + 2;
       ++version) {
    ASSERT_TRUE(endpoints_->LoadVersion("flights", version).ok());
  }
  EXPECT_EQ(endpoints_->FindVersion("flights", 10), nullptr);
  EXPECT_EQ(endpoints_->FindVersion("flights", 11), nullptr);
  EXPECT_NE(endpoints_->FindVersion("flights", 12), nullptr);
  EXPECT_EQ(loader_.Loaded().size(), 1 + kMaxAskedVersions);
}

TEST_P(EndpointsStore, TheSaltChangesOnlyWhenACandidateEnters) {
  const std::string first = Stable(1).salt;
  const std::string second = Canary(1, 2, 0.05).salt;
  EXPECT_NE(first, second);
  EXPECT_EQ(Canary(1, 2, 0.5).salt, second);
  EXPECT_EQ(Stable(1).salt, second);
  EXPECT_NE(Canary(1, 3, 0.05).salt, second);
}

TEST_P(EndpointsStore, AnUnexpectedEpochIsRefused) {
  Stable(1);
  PlanChange change;
  change.endpoint = "flights";
  change.arms = {{"stable", "flights", 2, 1}};
  change.expected_epoch = 7;
  EXPECT_EQ(endpoints_->Apply(change).status().reason(), "plan_changed");
  EXPECT_EQ(ServedVersion(), 1);
  change.expected_epoch = 1;
  EXPECT_TRUE(endpoints_->Apply(change).ok());
}

TEST_P(EndpointsStore, WhatElseBelongsToAChangeFailsWithIt) {
  Stable(1);
  PlanChange change;
  change.endpoint = "flights";
  change.arms = {{"stable", "flights", 2, 1}};
  change.also = [](storage::Transaction&, const Plan&) {
    return base::Internal("no", "refused by the test");
  };
  EXPECT_EQ(endpoints_->Apply(change).status().reason(), "no");
  EXPECT_EQ(ServedVersion(), 1);
  EXPECT_EQ(events_.LastSequence(), 1);
  Restart();
  EXPECT_EQ(ServedVersion(), 1);
}

TEST_P(EndpointsStore, ConcurrentChangesKeepEpochsWithoutGaps) {
  constexpr int kThreads = 32;
  std::atomic<bool> reading{true};
  std::thread reader([&] {
    int64_t last = 0;
    while (reading) {
      const auto served = endpoints_->Find("flights");
      if (served == nullptr) continue;
      EXPECT_GE(served->plan.epoch, last);
      last = served->plan.epoch;
    }
  });
  std::mutex mutex;
  std::set<int64_t> epochs;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      const auto plan =
          endpoints_->Apply("flights", {{"stable", "flights", 1 + i % 3, 1}}, actor_, "");
      ASSERT_TRUE(plan.ok()) << plan.status().ToString();
      std::lock_guard lock(mutex);
      epochs.insert(plan->epoch);
    });
  }
  for (std::thread& thread : threads) thread.join();
  reading = false;
  reader.join();
  EXPECT_EQ(epochs.size(), static_cast<size_t>(kThreads));
  EXPECT_EQ(*epochs.rbegin(), kThreads);
  EXPECT_EQ(endpoints_->Find("flights")->plan.epoch, kThreads);
}

INSTANTIATE_TEST_SUITE_P(Databases, EndpointsStore, testing::ValuesIn(storage::DatabaseKinds()));

}  // namespace
}  // namespace slipway::traffic
