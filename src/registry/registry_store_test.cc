// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/files.h"
#include "events/migrations.h"
#include "registry/gates.h"
#include "registry/migrations.h"
#include "registry/registry.h"
#include "storage/blobs_file.h"
#include "storage/databases_testing.h"

namespace slipway::registry {
namespace {

using base::Code;
using base::Json;
using base::Status;

const events::Actor kAda = {"ada", "http 127.0.0.1:5"};

// Fails to create blobs whose key ends so.
class FlakyBlobs final : public storage::Blobs {
 public:
  FlakyBlobs(storage::Blobs& blobs, std::string bad_end)
      : blobs_(blobs), bad_end_(std::move(bad_end)) {}
  base::Result<std::unique_ptr<storage::BlobWriter>> Create(std::string_view key) override {
    if (key.ends_with(bad_end_)) return base::Unavailable("bucket_away", "the bucket is away");
    return blobs_.Create(key);
  }
  base::Result<std::unique_ptr<storage::BlobReader>> Open(std::string_view key) override {
    return blobs_.Open(key);
  }
  base::Result<storage::BlobInfo> Stat(std::string_view key) override { return blobs_.Stat(key); }
  base::Result<std::vector<storage::BlobInfo>> List(std::string_view folder) override {
    return blobs_.List(folder);
  }
  base::Result<std::vector<storage::BlobInfo>> ListAll(std::string_view folder) override {
    return blobs_.ListAll(folder);
  }
  Status Remove(std::string_view key) override { return blobs_.Remove(key); }
  std::string UriOf(std::string_view key) const override { return blobs_.UriOf(key); }

 private:
  storage::Blobs& blobs_;
  std::string bad_end_;
};

// Says what it is told to, and counts.
class ToldGate final : public Gate {
 public:
  ToldGate(Outcome& outcome, std::atomic<int>& asked) : outcome_(outcome), asked_(asked) {}
  std::string_view name() const override { return "told"; }
  bool Guards(Stage stage) const override {
    return stage == Stage::kStaging || stage == Stage::kProduction;
  }
  Verdict Check(const GateContext&) override {
    ++asked_;
    return {"", outcome_, "It was told so.", Json::MakeObject({{"n", 1}}), 0};
  }

 private:
  Outcome& outcome_;
  std::atomic<int>& asked_;
};

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

class RegistryStore : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    ASSERT_EQ(database_->Migrate(events::Migrations()).ToString(), "OK");
    ASSERT_EQ(database_->Migrate(Migrations()).ToString(), "OK");
    blobs_ = storage::OpenFileBlobs("file:" + (folder_ / "blobs")).TakeValue();
    ASSERT_TRUE(blobs_->Put("artifacts/1/r/artifacts/model/model.onnx", "weights").ok());
    ASSERT_TRUE(blobs_->Put("artifacts/1/r/artifacts/model/MLmodel", "flavors").ok());
    ASSERT_TRUE(blobs_->Put("artifacts/1/r/artifacts/golden/golden.json", "{}").ok());
    registry_ = Open(*blobs_);
    ASSERT_TRUE(registry_->CreateModel("fraud", {}, "", kAda).ok());
  }

  std::unique_ptr<Registry> Open(storage::Blobs& blobs) {
    RegistrySettings settings;
    settings.cache_folder = folder_ / "cache";
    auto registry = std::make_unique<Registry>(*database_, blobs, events_, clock_, settings);
    registry->AddGate(std::make_unique<ToldGate>(told_, asked_));
    return registry;
  }

  static CreateVersionRequest Request(const std::string& model = "fraud") {
    CreateVersionRequest request;
    request.model = model;
    request.source = "runs:/r/model";
    request.source_folder = "artifacts/1/r/artifacts/model";
    request.extra_folders = {{"artifacts/1/r/artifacts/golden", "golden"},
                             {"artifacts/1/r/artifacts/none", "none"}};
    request.run_id = "r";
    request.tags = {{"team", "blue"}};
    request.actor = kAda;
    return request;
  }
  int64_t NewVersion() { return registry_->CreateVersion(Request()).value().number; }

  static TransitionRequest To(int64_t version, Stage to) {
    TransitionRequest request;
    request.model = "fraud";
    request.version = version;
    request.to = to;
    request.actor = kAda;
    return request;
  }
  std::vector<std::string> EventTypes() {
    std::vector<std::string> types;
    const auto events = events_.List({}).value();
    for (const events::Event& event : events) types.push_back(event.type);
    return types;
  }
  events::Event LastEvent() {
    events::EventFilter filter;
    filter.newest_first = true;
    filter.limit = 1;
    return events_.List(filter).value().front();
  }
  void Run(std::string_view sql) {
    const Status status = database_->Write([&](storage::Transaction& transaction) -> Status {
      TRY(transaction.Execute(sql));
      return {};
    });
    ASSERT_EQ(status.ToString(), "OK");
  }

  storage::TestFolder folder_;
  storage::TestDatabase database_{GetParam()};
  base::DrivenClock clock_{1'000'000};
  events::EventLog events_{*database_, clock_};
  std::unique_ptr<storage::Blobs> blobs_;
  Outcome told_ = Outcome::kPass;
  std::atomic<int> asked_ = 0;
  std::unique_ptr<Registry> registry_;
};

TEST_P(RegistryStore, CopiesTheFilesOfANewVersionWithTheirHashes) {
  const Version version = registry_->CreateVersion(Request()).value();
  EXPECT_EQ(version.number, 1);
  EXPECT_EQ(version.status, "READY");
  EXPECT_EQ(version.user, "ada");
  EXPECT_EQ(version.tags, (Tags{{"team", "blue"}}));
  ASSERT_EQ(version.files.size(), 3u);
  EXPECT_EQ(version.files[0].path, "MLmodel");
  EXPECT_EQ(version.files[1].path, "golden/golden.json");
  EXPECT_EQ(version.files[2].path, "model.onnx");
  EXPECT_EQ(version.files[2].size_bytes, 7);
  EXPECT_EQ(version.files[2].sha256,
            blobs_->Digest("artifacts/1/r/artifacts/model/model.onnx")->sha256);
  EXPECT_EQ(blobs_->Get("models/fraud/v1/model.onnx", 100).value(), "weights");
  EXPECT_EQ(EventTypes(),
            (std::vector<std::string>{"model.created", "version.created", "version.ready"}));
}

TEST_P(RegistryStore, KeepsAVersionsBytesWhenItsSourceChanges) {
  NewVersion();
  ASSERT_TRUE(blobs_->Remove("artifacts/1/r/artifacts/model").ok());
  EXPECT_EQ(blobs_->Get("models/fraud/v1/model.onnx", 100).value(), "weights");
  EXPECT_EQ(blobs_->Put("models/fraud/v1/model.onnx", "other").status().code(),
            Code::kAlreadyExists);
}

TEST_P(RegistryStore, RefusesASourceWithoutFiles) {
  CreateVersionRequest request = Request();
  request.source_folder = "artifacts/1/r/artifacts/nothing";
  const auto refused = registry_->CreateVersion(request);
  EXPECT_EQ(refused.status().reason(), "source_empty");
  EXPECT_TRUE(registry_->ListVersions("fraud")->empty());
  EXPECT_EQ(NewVersion(), 1);
}

TEST_P(RegistryStore, LeavesNoFilesOfAVersionThatFailed) {
  FlakyBlobs flaky(*blobs_, "model.onnx");
  const auto failed = Open(flaky)->CreateVersion(Request());
  EXPECT_EQ(failed.status().code(), Code::kUnavailable);
  const Version version = registry_->GetVersion("fraud", 1).value();
  EXPECT_EQ(version.status, "FAILED_REGISTRATION");
  EXPECT_NE(version.status_message.find("the bucket is away"), std::string::npos);
  EXPECT_TRUE(blobs_->ListAll("models/fraud/v1")->empty());
  EXPECT_EQ(registry_->Transition(To(1, Stage::kStaging)).status().reason(), "version_not_ready");
  EXPECT_EQ(registry_->SetAlias("fraud", "champion", 1, kAda).reason(), "version_not_ready");
  EXPECT_EQ(NewVersion(), 2);
}

TEST_P(RegistryStore, FinishesAtStartWhatACrashLeftHalfDone) {
  const Version before = registry_->CreateVersion(Request()).value();
  Run("UPDATE registry_versions SET status = 'PENDING_REGISTRATION', manifest = '[]'");
  ASSERT_TRUE(blobs_->Remove("models/fraud/v1/model.onnx").ok());
  ASSERT_TRUE(Open(*blobs_)->Start().ok());
  const Version after = registry_->GetVersion("fraud", 1).value();
  EXPECT_EQ(after.status, "READY");
  ASSERT_EQ(after.files.size(), before.files.size());
  EXPECT_EQ(after.files[2].sha256, before.files[2].sha256);
}

TEST_P(RegistryStore, FailsAtStartWhatCannotBeFinished) {
  NewVersion();
  Run("UPDATE registry_versions SET status = 'PENDING_REGISTRATION', manifest = '[]'");
  ASSERT_TRUE(blobs_->Remove("artifacts/1/r/artifacts/model").ok());
  ASSERT_TRUE(Open(*blobs_)->Start().ok());
  EXPECT_EQ(registry_->GetVersion("fraud", 1)->status, "FAILED_REGISTRATION");
  EXPECT_TRUE(blobs_->ListAll("models/fraud/v1")->empty());
}

TEST_P(RegistryStore, RemovesAtStartTheFilesThatACrashedDeletionLeft) {
  NewVersion();
  Run("DELETE FROM registry_versions");
  Run("INSERT INTO registry_unwanted_folders (folder) VALUES ('models/fraud/v1')");
  ASSERT_TRUE(registry_->Start().ok());
  EXPECT_TRUE(blobs_->ListAll("models/fraud/v1")->empty());
  EXPECT_TRUE(database_->Query("SELECT folder FROM registry_unwanted_folders")->empty());
}

TEST_P(RegistryStore, GivesEachOfManyConcurrentCreatesItsOwnNumber) {
  constexpr int kThreads = 8;
  constexpr int kEach = 6;
  std::mutex mutex;
  std::multiset<int64_t> numbers;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < kEach; ++j) {
        const auto version = registry_->CreateVersion(Request());
        const std::lock_guard hold(mutex);
        numbers.insert(version.ok() ? version->number : -1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::multiset<int64_t> expected;
  for (int64_t number = 1; number <= kThreads * kEach; ++number) expected.insert(number);
  EXPECT_EQ(numbers, expected);
  for (const Version& version : registry_->ListVersions("fraud").TakeValue())
    EXPECT_EQ(version.status, "READY");
}

TEST_P(RegistryStore, NeverGivesANumberTwice) {
  NewVersion();
  const int64_t second = NewVersion();
  ASSERT_TRUE(registry_->DeleteVersion("fraud", second, kAda).ok());
  EXPECT_EQ(NewVersion(), 3);
  ASSERT_TRUE(registry_->DeleteModel("fraud", kAda).ok());
  EXPECT_EQ(registry_->GetModel("fraud").status().reason(), "model_not_found");
  EXPECT_TRUE(blobs_->ListAll("models/fraud")->empty());
  ASSERT_TRUE(registry_->CreateModel("fraud", {}, "again", kAda).ok());
  EXPECT_EQ(NewVersion(), 4);
}

TEST_P(RegistryStore, HasOneProductionVersionAfterManyConcurrentPromotions) {
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

TEST_P(RegistryStore, TwoReplicasKeepOneProductionVersion) {
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

TEST_P(RegistryStore, ProductionArchivesTheFormerVersionAndSaysSo) {
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

TEST_P(RegistryStore, StagingHoldsManyWhenAskedTo) {
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

TEST_P(RegistryStore, AFailedGateRefusesAndIsRecorded) {
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

TEST_P(RegistryStore, AGateThatCouldNotRunDoesNotRefuse) {
  NewVersion();
  told_ = Outcome::kNotRun;
  EXPECT_TRUE(registry_->Transition(To(1, Stage::kStaging)).ok());
}

TEST_P(RegistryStore, ForceNeedsAReasonAndIsWrittenDown) {
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

TEST_P(RegistryStore, RunningGatesChangesNothing) {
  NewVersion();
  const size_t before = EventTypes().size();
  ASSERT_EQ(registry_->RunGates("fraud", 1, Stage::kStaging)->size(), 1u);
  EXPECT_TRUE(registry_->RunGates("fraud", 1, Stage::kArchived)->empty());
  EXPECT_EQ(EventTypes().size(), before);
  EXPECT_TRUE(registry_->RecordedVerdicts("fraud", 1)->empty());
}

TEST_P(RegistryStore, AVersionAlreadyThereIsNotJudgedAgain) {
  NewVersion();
  ASSERT_TRUE(registry_->Transition(To(1, Stage::kProduction)).ok());
  const size_t before = EventTypes().size();
  const int asked = asked_;
  told_ = Outcome::kFail;
  EXPECT_TRUE(registry_->Transition(To(1, Stage::kProduction)).ok());
  EXPECT_EQ(EventTypes().size(), before);
  EXPECT_EQ(asked_, asked);
}

TEST_P(RegistryStore, WhatIsInUseIsNotDeleted) {
  NewVersion();
  ASSERT_TRUE(registry_->SetAlias("fraud", "champion", 1, kAda).ok());
  EXPECT_EQ(registry_->DeleteVersion("fraud", 1, kAda).reason(), "version_in_use");
  EXPECT_EQ(registry_->DeleteModel("fraud", kAda).reason(), "model_in_use");
  ASSERT_TRUE(registry_->DeleteAlias("fraud", "champion", kAda).ok());
  ASSERT_TRUE(registry_->Transition(To(1, Stage::kStaging)).ok());
  EXPECT_EQ(registry_->DeleteVersion("fraud", 1, kAda).reason(), "version_in_use");
  EXPECT_EQ(registry_->DeleteModel("fraud", kAda).reason(), "model_in_use");
  ASSERT_TRUE(registry_->Transition(To(1, Stage::kArchived)).ok());
  EXPECT_TRUE(registry_->DeleteVersion("fraud", 1, kAda).ok());
  EXPECT_EQ(registry_->GetVersion("fraud", 1).status().reason(), "version_not_found");
  EXPECT_TRUE(blobs_->ListAll("models/fraud/v1")->empty());
}

TEST_P(RegistryStore, AliasesMoveAndAreFound) {
  NewVersion();
  NewVersion();
  ASSERT_TRUE(registry_->SetAlias("fraud", "champion", 1, kAda).ok());
  ASSERT_TRUE(registry_->SetAlias("fraud", "champion", 2, kAda).ok());
  EXPECT_EQ(registry_->GetByAlias("fraud", "champion")->number, 2);
  EXPECT_TRUE(registry_->GetVersion("fraud", 1)->aliases.empty());
  EXPECT_EQ(registry_->GetVersion("fraud", 2)->aliases, (std::vector<std::string>{"champion"}));
  EXPECT_EQ(registry_->GetModel("fraud")->aliases.at("champion"), 2);
  EXPECT_EQ(LastEvent().data.Find("former_version")->AsInt(), 1);
  EXPECT_EQ(registry_->SetAlias("fraud", "champion", 9, kAda).reason(), "version_not_found");
  EXPECT_EQ(registry_->GetByAlias("fraud", "nobody").status().reason(), "alias_not_found");
}

TEST_P(RegistryStore, MetadataFollowsTheRunUntilItIsFrozen) {
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

TEST_P(RegistryStore, IntegrityGateSeesAChangedFile) {
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

TEST_P(RegistryStore, MaterializesACheckedLocalCopy) {
  const Version version = registry_->CreateVersion(Request()).value();
  const std::string path = registry_->Materialize(version).value();
  EXPECT_EQ(base::ReadFile(path + "/model.onnx", 100).value(), "weights");
  EXPECT_EQ(base::ReadFile(path + "/golden/golden.json", 100).value(), "{}");
  EXPECT_EQ(registry_->Materialize(version).value(), path);
  ASSERT_TRUE(base::WriteFileAtomically(path + "/model.onnx", "damaged").ok());
  EXPECT_EQ(Open(*blobs_)->Materialize(version).value(), path);  // as a new process does
  EXPECT_EQ(base::ReadFile(path + "/model.onnx", 100).value(), "weights");
}

TEST_P(RegistryStore, RefusesToMaterializeWhatDiffersFromTheManifest) {
  const Version version = registry_->CreateVersion(Request()).value();
  ASSERT_TRUE(blobs_->Remove("models/fraud/v1/model.onnx").ok());
  ASSERT_TRUE(blobs_->Put("models/fraud/v1/model.onnx", "wEights").ok());
  const auto refused = registry_->Materialize(version);
  EXPECT_EQ(refused.status().code(), Code::kDataLoss);
  EXPECT_EQ(refused.status().field(), "model.onnx");
}

TEST_P(RegistryStore, TagsAndDescriptionsAreKept) {
  NewVersion();
  ASSERT_TRUE(registry_->SetVersionTag("fraud", 1, "checked", "yes").ok());
  ASSERT_TRUE(registry_->DeleteVersionTag("fraud", 1, "team").ok());
  ASSERT_TRUE(registry_->UpdateVersion("fraud", 1, "good", kAda).ok());
  const Version version = registry_->GetVersion("fraud", 1).value();
  EXPECT_EQ(version.tags, (Tags{{"checked", "yes"}}));
  EXPECT_EQ(version.description, "good");
  ASSERT_TRUE(registry_->SetModelTag("fraud", "tier", "1").ok());
  ASSERT_TRUE(registry_->UpdateModel("fraud", "about", kAda).ok());
  EXPECT_EQ(registry_->GetModel("fraud")->tags, (Tags{{"tier", "1"}}));
  EXPECT_EQ(registry_->ListModels()->front().description, "about");
  EXPECT_EQ(registry_->CreateModel("fraud", {}, "", kAda).status().reason(), "model_exists");
}

TEST_P(RegistryStore, FindsVersionsByRunAndModel) {
  NewVersion();
  ASSERT_TRUE(registry_->CreateModel("other", {}, "", kAda).ok());
  ASSERT_TRUE(registry_->CreateVersion(Request("other")).ok());
  VersionQuery query;
  query.run_id = "r";
  const auto found = registry_->FindVersions(query).value();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].model, "fraud");
  EXPECT_EQ(found[1].tags, (Tags{{"team", "blue"}}));
  query.model = "other";
  EXPECT_EQ(registry_->FindVersions(query)->size(), 1u);
}

INSTANTIATE_TEST_SUITE_P(Databases, RegistryStore, testing::ValuesIn(storage::DatabaseKinds()));

}  // namespace
}  // namespace slipway::registry
