// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/status.h"
#include "registry/registry.h"
#include "registry/registry_testing.h"
#include "storage/blobs.h"
#include "storage/databases_testing.h"

namespace slipway::registry {
namespace {

class RegistryStore : public testing::TestWithParam<std::string>, protected RegistryHouse {
 protected:
  RegistryStore() : RegistryHouse(GetParam()) {}
};

using base::Code;
using base::Status;

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
  [[nodiscard]] std::string UriOf(std::string_view key) const override { return blobs_.UriOf(key); }

 private:
  storage::Blobs& blobs_;
  std::string bad_end_;
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
  Sql("UPDATE registry_versions SET status = 'PENDING_REGISTRATION', manifest = '[]'");
  ASSERT_TRUE(blobs_->Remove("models/fraud/v1/model.onnx").ok());
  ASSERT_TRUE(Open(*blobs_)->Start().ok());
  const Version after = registry_->GetVersion("fraud", 1).value();
  EXPECT_EQ(after.status, "READY");
  ASSERT_EQ(after.files.size(), before.files.size());
  EXPECT_EQ(after.files[2].sha256, before.files[2].sha256);
}

TEST_P(RegistryStore, FailsAtStartWhatCannotBeFinished) {
  NewVersion();
  Sql("UPDATE registry_versions SET status = 'PENDING_REGISTRATION', manifest = '[]'");
  ASSERT_TRUE(blobs_->Remove("artifacts/1/r/artifacts/model").ok());
  ASSERT_TRUE(Open(*blobs_)->Start().ok());
  EXPECT_EQ(registry_->GetVersion("fraud", 1)->status, "FAILED_REGISTRATION");
  EXPECT_TRUE(blobs_->ListAll("models/fraud/v1")->empty());
}

TEST_P(RegistryStore, RemovesAtStartTheFilesThatACrashedDeletionLeft) {
  NewVersion();
  Sql("DELETE FROM registry_versions");
  Sql("INSERT INTO registry_unwanted_folders (folder) VALUES ('models/fraud/v1')");
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
  threads.reserve(kThreads);
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
  ASSERT_TRUE(registry_->SetVersionTag("fraud", 1, "checked", "yes", kAda).ok());
  ASSERT_TRUE(registry_->DeleteVersionTag("fraud", 1, "team", kAda).ok());
  ASSERT_TRUE(registry_->UpdateVersion("fraud", 1, "good", kAda).ok());
  const Version version = registry_->GetVersion("fraud", 1).value();
  EXPECT_EQ(version.tags, (Tags{{"checked", "yes"}}));
  EXPECT_EQ(version.description, "good");
  ASSERT_TRUE(registry_->SetModelTag("fraud", "tier", "1", kAda).ok());
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

TEST_P(RegistryStore, VerifyNamesWhatIsMissingOrDiffersAndForgetsItOnceItIsRightAgain) {
  NewVersion();
  NewVersion();
  Integrity integrity = registry_->Verify({}).value();
  EXPECT_TRUE(integrity.damage.empty());
  EXPECT_EQ(integrity.versions, 2);
  EXPECT_EQ(integrity.files, 6);
  ASSERT_TRUE(blobs_->Remove("models/fraud/v1/MLmodel").ok());
  ASSERT_TRUE(blobs_->Remove("models/fraud/v2/model.onnx").ok());
  ASSERT_TRUE(blobs_->Put("models/fraud/v2/model.onnx", "wEights").ok());
  integrity = registry_->Verify({}).value();
  ASSERT_EQ(integrity.damage.size(), 2u);
  EXPECT_EQ(integrity.damage[0].path, "MLmodel");
  EXPECT_EQ(integrity.damage[0].difference, "is missing");
  EXPECT_EQ(integrity.damage[1].number, 2);
  EXPECT_NE(integrity.damage[1].difference.find("has SHA-256"), std::string::npos);
  EXPECT_EQ(LastEvent().type, "version.damaged");
  EXPECT_EQ(registry_->KnownDamage()->size(), 2u);
  const size_t events = EventTypes().size();
  ASSERT_TRUE(registry_->Verify({}).ok());
  EXPECT_EQ(EventTypes().size(), events) << "known damage is not told again";
  ASSERT_TRUE(blobs_->Put("models/fraud/v1/MLmodel", "flavors").ok());
  EXPECT_TRUE(
      registry_->Verify({.model = "fraud", .run_id = {}, .model_id = {}}, 1)->damage.empty());
  EXPECT_EQ(LastEvent().type, "version.intact");
  EXPECT_EQ(registry_->KnownDamage()->size(), 1u);
  EXPECT_EQ(registry_->Verify({.model = "nobody", .run_id = {}, .model_id = {}}).status().reason(),
            "model_not_found");
}

TEST_P(RegistryStore, AFileThatIsReadCheckedIsRefusedWhenItDiffers) {
  NewVersion();
  EXPECT_TRUE(registry_->OpenFile("fraud", 1, "model.onnx", true).ok());
  EXPECT_EQ(registry_->OpenFile("fraud", 1, "../v1/model.onnx", true).status().reason(),
            "file_not_found");
  ASSERT_TRUE(blobs_->Remove("models/fraud/v1/model.onnx").ok());
  ASSERT_TRUE(blobs_->Put("models/fraud/v1/model.onnx", "wEights").ok());
  EXPECT_EQ(registry_->OpenFile("fraud", 1, "model.onnx", true).status().reason(), "file_differs");
}

TEST_P(RegistryStore, WhatOthersUseIsNotDeletedAndNeitherIsWhatItCameFrom) {
  NewVersion();
  std::string use = "served by endpoint 'fraud'";
  registry_->AddUse([&](const std::string&, int64_t) { return use; });
  EXPECT_NE(registry_->DeleteVersion("fraud", 1, kAda).message().find("served by endpoint 'fraud'"),
            std::string::npos);
  EXPECT_EQ(registry_->DeleteModel("fraud", kAda).reason(), "model_in_use");
  const auto use_of_run = [&](const std::string& run) {
    std::string found;
    Must(database_->Read([&](storage::Transaction& transaction) -> base::Status {
      found = TRY(registry_->UseOfSource(transaction, run, ""));
      return {};
    }));
    return found;
  };
  EXPECT_NE(use_of_run("r").find("version 1 of model 'fraud' comes from it"), std::string::npos);
  EXPECT_EQ(use_of_run("other"), "");
  use = "";
  EXPECT_EQ(use_of_run("r"), "");
  ASSERT_TRUE(registry_->SetAlias("fraud", "champion", 1, kAda).ok());
  EXPECT_NE(use_of_run("r").find("alias 'champion'"), std::string::npos);
}

TEST_P(RegistryStore, EveryChangeOfATagIsInTheAuditLog) {
  NewVersion();
  ASSERT_TRUE(registry_->SetVersionTag("fraud", 1, "checked", "yes", kAda).ok());
  EXPECT_EQ(LastEvent().type, "version.tag_set");
  EXPECT_EQ(LastEvent().subject, "model/fraud/version/1");
  EXPECT_EQ(LastEvent().data.Find("value")->AsString(), "yes");
  ASSERT_TRUE(registry_->DeleteVersionTag("fraud", 1, "checked", kAda).ok());
  EXPECT_EQ(LastEvent().type, "version.tag_deleted");
  ASSERT_TRUE(registry_->SetModelTag("fraud", "tier", "1", kAda).ok());
  EXPECT_EQ(LastEvent().type, "model.tag_set");
  ASSERT_TRUE(registry_->DeleteModelTag("fraud", "tier", kAda).ok());
  EXPECT_EQ(LastEvent().type, "model.tag_deleted");
  EXPECT_EQ(LastEvent().actor.name, "ada");
}

INSTANTIATE_TEST_SUITE_P(Databases, RegistryStore, testing::ValuesIn(storage::DatabaseKinds()));

}  // namespace
}  // namespace slipway::registry
