// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "base/json.h"
#include "registry/gates.h"
#include "registry/registry.h"

namespace slipway::registry {
namespace {

using base::Json;

Verdict Check(Json metadata) {
  Version version;
  version.metadata = std::move(metadata);
  return MakeRequiredMetadataGate(RegistrySettings().required_metadata)
      ->Check({version, Stage::kStaging, {}});
}

Json Whole() {
  return Json::MakeObject({{"dataset_hash", "d1"},
                           {"git_sha", "abc"},
                           {"training_duration_s", 1.5},
                           {"params", Json::MakeObject({{"depth", "3"}})},
                           {"metrics", Json::MakeObject({{"auc", 0.7}})}});
}

TEST(RequiredMetadata, PassesWhenAllIsThere) { EXPECT_EQ(Check(Whole()).outcome, Outcome::kPass); }

TEST(RequiredMetadata, NamesEachMissingItemAndHowToSendIt) {
  Json metadata = Whole();
  metadata.Set("dataset_hash", "")
      .Set("params", Json::MakeObject())
      .Set("training_duration_s", nullptr);
  const Verdict verdict = Check(metadata);
  EXPECT_EQ(verdict.outcome, Outcome::kFail);
  EXPECT_EQ(verdict.evidence.Find("missing")->Dump(),
            R"(["dataset_hash","params","training_duration_s"])");
  for (const char* how :
       {"mlflow.log_input(dataset)", "mlflow.log_params", "its start and end time count"}) {
    EXPECT_NE(verdict.summary.find(how), std::string::npos) << verdict.summary;
  }
  EXPECT_EQ(verdict.summary.find("git_sha"), std::string::npos);
}

TEST(RequiredMetadata, WithoutARunEverythingIsMissing) {
  EXPECT_EQ(Check(Json()).evidence.Find("missing")->AsArray().size(), 5u);
}

TEST(RequiredMetadata, GuardsStagingAndProduction) {
  const auto gate = MakeRequiredMetadataGate({});
  EXPECT_TRUE(gate->Guards(Stage::kStaging));
  EXPECT_TRUE(gate->Guards(Stage::kProduction));
  EXPECT_FALSE(gate->Guards(Stage::kArchived));
  EXPECT_FALSE(gate->Guards(Stage::kNone));
}

}  // namespace
}  // namespace slipway::registry
