// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "events/events.h"
#include "registry/approvals.h"
#include "registry/gate_runs.h"
#include "registry/gates.h"
#include "registry/registry.h"
#include "registry/registry_testing.h"
#include "storage/databases_testing.h"

namespace slipway::registry {
namespace {

class RegistryStore : public testing::TestWithParam<std::string>, protected RegistryHouse {
 protected:
  RegistryStore() : RegistryHouse(GetParam()) {}
};

using base::Code;
using base::Json;

class Stages : public RegistryStore {};

class FixedMetadata final : public MetadataSource {
 public:
  base::Result<Json> MetadataOf(const std::string& run_id, const std::string&) override {
    const std::lock_guard hold(mutex);
    if (run_id.empty()) return base::NotFound("run_not_found", "no run");
    return metadata;
  }
  std::mutex mutex;
  Json metadata = Json::MakeObject();
};

TEST_P(Stages, HasOneProductionVersionAfterManyConcurrentPromotions) {
  constexpr int kVersions = 10;
  for (int i = 0; i < kVersions; ++i) NewVersion();
  std::atomic<int> succeeded = 0;
  std::atomic<bool> done = false;
  std::atomic<int> worst = 0;
  std::thread watcher([&] {
    while (!done) {
      const auto rows =
          database_->Query("SELECT COUNT(*) FROM registry_versions WHERE stage = 'Production'");
      worst = std::max<int>(worst, static_cast<int>(rows->front().Int(0)));
    }
  });
  std::vector<std::thread> threads;
  threads.reserve(kVersions);
  for (int i = 0; i < kVersions; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 10; ++round) {
        if (registry_->Transition(To(1 + (i + round) % kVersions, Stage::kProduction)).ok())
          ++succeeded;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  done = true;
  watcher.join();
  EXPECT_EQ(succeeded, 100);
  EXPECT_EQ(worst, 1);
  int in_production = 0;
  int archived = 0;
  for (const Version& version : registry_->ListVersions("fraud").TakeValue()) {
    in_production += version.stage == Stage::kProduction ? 1 : 0;
    archived += version.stage == Stage::kArchived ? 1 : 0;
  }
  EXPECT_EQ(in_production, 1);
  EXPECT_EQ(archived, kVersions - 1);
}

TEST_P(Stages, TwoReplicasKeepOneProductionVersion) {
  for (int i = 0; i < 4; ++i) NewVersion();
  const auto other_database = database_.OpenAnother().TakeValue();
  events::EventLog other_events(*other_database, clock_);
  Registry other(*other_database, *blobs_, other_events, clock_, {});
  std::atomic<int> refused = 0;
  const auto promote = [&](Registry& registry, int64_t first) {
    for (int round = 0; round < 10; ++round) {
      const auto outcome = registry.Transition(To(first + round % 2, Stage::kProduction));
      if (!outcome.ok()) {
        EXPECT_EQ(outcome.status().code(), Code::kAborted) << outcome.status().ToString();
        ++refused;
      }
    }
  };
  std::thread here([&] { promote(*registry_, 1); });
  std::thread there([&] { promote(other, 3); });
  here.join();
  there.join();
  const auto rows =
      database_->Query("SELECT COUNT(*) FROM registry_versions WHERE stage = 'Production'");
  EXPECT_EQ(rows->front().Int(0), 1);
  EXPECT_LT(refused, 20);
}

TEST_P(Stages, ProductionArchivesTheFormerVersionAndSaysSo) {
  NewVersion();
  NewVersion();
  ASSERT_TRUE(registry_->Transition(To(1, Stage::kProduction)).ok());
  const TransitionOutcome outcome = registry_->Transition(To(2, Stage::kProduction)).value();
  EXPECT_EQ(outcome.version.stage, Stage::kProduction);
  EXPECT_EQ(outcome.archived, (std::vector<int64_t>{1}));
  ASSERT_EQ(outcome.verdicts.size(), 1u);
  EXPECT_EQ(registry_->GetVersion("fraud", 1)->stage, Stage::kArchived);
  EXPECT_EQ(registry_->InStage("fraud", Stage::kProduction).value()->number, 2);
  const events::Event event = LastEvent();
  EXPECT_EQ(event.type, "version.stage_changed");
  EXPECT_EQ(event.subject, "model/fraud/version/2");
  EXPECT_EQ(event.actor.name, "ada");
  EXPECT_EQ(event.data.Find("from")->AsString(), "None");
  EXPECT_EQ(event.data.Find("to")->AsString(), "Production");
  EXPECT_EQ(event.data.Find("forced")->AsBool(), false);
  EXPECT_EQ(event.data.Find("archived")->Dump(), "[1]");
  EXPECT_EQ(event.data.Find("verdicts")->AsArray().front().Find("outcome")->AsString(), "pass");
}

TEST_P(Stages, StagingHoldsManyWhenAskedTo) {
  NewVersion();
  NewVersion();
  NewVersion();
  TransitionRequest request = To(1, Stage::kStaging);
  request.archive_existing = false;
  ASSERT_TRUE(registry_->Transition(request).ok());
  request.version = 2;
  EXPECT_TRUE(registry_->Transition(request)->archived.empty());
  request.version = 3;
  request.archive_existing = true;
  EXPECT_EQ(registry_->Transition(request)->archived, (std::vector<int64_t>{1, 2}));
}

TEST_P(Stages, AFailedGateRefusesAndIsRecorded) {
  NewVersion();
  told_ = Outcome::kFail;
  const auto refused = registry_->Transition(To(1, Stage::kStaging));
  EXPECT_EQ(refused.status().code(), Code::kFailedPrecondition);
  EXPECT_EQ(refused.status().reason(), "gate_failed");
  EXPECT_NE(refused.status().message().find("[told] It was told so."), std::string::npos);
  EXPECT_EQ(registry_->GetVersion("fraud", 1)->stage, Stage::kNone);
  EXPECT_EQ(LastEvent().type, "version.gate_refused");
  const auto verdicts = registry_->RecordedVerdicts("fraud", 1).value();
  ASSERT_EQ(verdicts.size(), 1u);
  EXPECT_EQ(verdicts[0].gate, "told");
  EXPECT_EQ(verdicts[0].outcome, Outcome::kFail);
  EXPECT_EQ(verdicts[0].evidence.Find("n")->AsInt(), 1);
}

TEST_P(Stages, AGateThatCouldNotRunDoesNotRefuse) {
  NewVersion();
  told_ = Outcome::kNotRun;
  EXPECT_TRUE(registry_->Transition(To(1, Stage::kStaging)).ok());
}

TEST_P(Stages, ForceNeedsAReasonAndIsWrittenDown) {
  NewVersion();
  told_ = Outcome::kFail;
  TransitionRequest request = To(1, Stage::kProduction);
  request.force = true;
  EXPECT_EQ(registry_->Transition(request).status().field(), "reason");
  request.reason = "drill";
  EXPECT_EQ(registry_->Transition(request)->version.stage, Stage::kProduction);
  EXPECT_EQ(LastEvent().data.Find("forced")->AsBool(), true);
  EXPECT_EQ(LastEvent().data.Find("reason")->AsString(), "drill");
  EXPECT_EQ(registry_->RecordedVerdicts("fraud", 1)->front().outcome, Outcome::kFail);
}

TEST_P(Stages, RunningGatesChangesNothing) {
  NewVersion();
  const size_t before = EventTypes().size();
  ASSERT_EQ(registry_->RunGates("fraud", 1, Stage::kStaging)->size(), 1u);
  EXPECT_TRUE(registry_->RunGates("fraud", 1, Stage::kArchived)->empty());
  EXPECT_EQ(EventTypes().size(), before);
  EXPECT_TRUE(registry_->RecordedVerdicts("fraud", 1)->empty());
}

TEST_P(Stages, AVersionAlreadyThereIsNotJudgedAgain) {
  NewVersion();
  ASSERT_TRUE(registry_->Transition(To(1, Stage::kProduction)).ok());
  const size_t before = EventTypes().size();
  const int asked = asked_;
  told_ = Outcome::kFail;
  EXPECT_TRUE(registry_->Transition(To(1, Stage::kProduction)).ok());
  EXPECT_EQ(EventTypes().size(), before);
  EXPECT_EQ(asked_, asked);
}

TEST_P(Stages, MetadataFollowsTheRunUntilItIsFrozen) {
  const auto source = std::make_shared<FixedMetadata>();
  registry_->SetMetadataSource(source);
  registry_->AddGate(MakeRequiredMetadataGate({"git_sha"}));
  NewVersion();
  EXPECT_EQ(registry_->Transition(To(1, Stage::kStaging)).status().reason(), "gate_failed");
  source->metadata = Json::MakeObject({{"git_sha", "abc"}});
  EXPECT_TRUE(registry_->Transition(To(1, Stage::kStaging)).ok());
  source->metadata = Json::MakeObject({{"git_sha", "changed"}});
  EXPECT_TRUE(registry_->Transition(To(1, Stage::kProduction)).ok());
  const Version version = registry_->GetVersion("fraud", 1).value();
  EXPECT_TRUE(version.metadata_frozen);
  EXPECT_EQ(version.metadata.Find("git_sha")->AsString(), "abc");
}

TEST_P(Stages, IntegrityGateSeesAChangedFile) {
  const auto gate = MakeArtifactIntegrityGate(*blobs_);
  const Version version = registry_->CreateVersion(Request()).value();
  EXPECT_EQ(gate->Check({version, Stage::kStaging, {}}).outcome, Outcome::kPass);
  ASSERT_TRUE(blobs_->Remove("models/fraud/v1/model.onnx").ok());
  EXPECT_EQ(gate->Check({version, Stage::kStaging, {}}).outcome, Outcome::kFail);
  ASSERT_TRUE(blobs_->Put("models/fraud/v1/model.onnx", "wEights").ok());
  const Verdict verdict = gate->Check({version, Stage::kStaging, {}});
  EXPECT_EQ(verdict.outcome, Outcome::kFail);
  EXPECT_NE(verdict.summary.find("'model.onnx' has SHA-256"), std::string::npos);
}

TEST_P(Stages, AnOverrideSetsOneGateAsideForOneStageUntilItExpires) {
  NewVersion();
  told_ = Outcome::kFail;
  Word word;
  word.model = "fraud";
  word.number = 1;
  word.stage = Stage::kStaging;
  word.kind = "override";
  word.gate = "told";
  word.expires = clock_.Now() + base::kHour;
  EXPECT_EQ(registry_->Say(word, kAda).status().reason(), "reason_missing");
  word.comment = "the holdout is broken";
  ASSERT_TRUE(registry_->Say(word, kAda).ok());
  EXPECT_EQ(LastEvent().type, "gate.overridden");
  EXPECT_EQ(registry_->Transition(To(1, Stage::kProduction)).status().reason(), "gate_failed");
  const TransitionOutcome moved = registry_->Transition(To(1, Stage::kStaging)).value();
  EXPECT_TRUE(moved.verdicts[0].overridden);
  EXPECT_EQ(moved.verdicts[0].outcome, Outcome::kFail);
  EXPECT_TRUE(registry_->RecordedVerdicts("fraud", 1)->front().overridden);
  ASSERT_TRUE(registry_->Transition(To(1, Stage::kNone)).ok());
  ASSERT_TRUE(clock_.Advance(clock_.Now() + 2 * base::kHour).ok());
  EXPECT_EQ(registry_->Transition(To(1, Stage::kStaging)).status().reason(), "gate_failed");
}

TEST_P(Stages, AGateRunIsOnRecordAndOneThatACrashEndedSaysSo) {
  NewVersion();
  const GateRun started = registry_->StartGateRun("fraud", 1, Stage::kStaging, kAda).value();
  EXPECT_EQ(started.state, "running");
  registry_->Stop();
  const GateRun run = registry_->GetGateRun(started.id).value();
  EXPECT_EQ(run.state, "passed");
  EXPECT_EQ(run.done, 1);
  EXPECT_EQ(run.verdicts.AsArray().size(), 1u);
  EXPECT_EQ(LastEvent().type, "gates.judged");
  EXPECT_EQ(registry_->GetVersion("fraud", 1)->stage, Stage::kNone);
  Sql("UPDATE registry_gate_runs SET state = 'running'");
  ASSERT_TRUE(Open(*blobs_)->Start().ok());
  EXPECT_EQ(registry_->GateRuns("fraud", 1, 10)->front().state, "interrupted");
  EXPECT_EQ(registry_->StartGateRun("fraud", 1, Stage::kArchived, kAda).status().field(), "to");
  EXPECT_EQ(registry_->StartGateRun("fraud", 9, Stage::kStaging, kAda).status().reason(),
            "version_not_found");
}

INSTANTIATE_TEST_SUITE_P(Databases, Stages, testing::ValuesIn(storage::DatabaseKinds()));

}  // namespace
}  // namespace slipway::registry
