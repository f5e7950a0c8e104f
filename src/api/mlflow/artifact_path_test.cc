// SPDX-License-Identifier: Apache-2.0
#include "api/mlflow/artifact_path.h"

#include <gtest/gtest.h>

#include <string>

#include "base/status.h"
#include "registry/registry.h"

namespace slipway::api::mlflow {
namespace {

TEST(ArtifactPath, RunsAndVersionsHaveTheirOwnFolders) {
  EXPECT_EQ(KeyOfArtifactPath("3/r1/artifacts/model/MLmodel").value(),
            "artifacts/3/r1/artifacts/model/MLmodel");
  EXPECT_EQ(KeyOfArtifactPath("/models/late flights/v2/MLmodel").value(),
            "models/late flights/v2/MLmodel");
  EXPECT_EQ(KeyOfArtifactPath("3/models/m-1/artifacts/").value(),
            "artifacts/3/models/m-1/artifacts");
  EXPECT_TRUE(IsOfVersion("models/x/v1"));
  EXPECT_TRUE(IsOfVersion("//models/x/v1"));
  EXPECT_TRUE(IsOfVersion("models"));
  EXPECT_FALSE(IsOfVersion("3/models/m-1/artifacts"));
}

TEST(ArtifactPath, LeavesNoWayOut) {
  for (const std::string bad :
       {"", "/", "..", "../x", "3/../../x", "3//x", "3/./x", "3/x/..", "3/a\nb"}) {
    EXPECT_EQ(KeyOfArtifactPath(bad).status().code(), base::Code::kInvalidArgument) << bad;
  }
  EXPECT_FALSE(KeyOfArtifactPath(std::string("3/a\0b", 5)).ok());
}

TEST(ArtifactPath, OnlyUrisOfThisServerAreOurs) {
  EXPECT_EQ(KeyOfArtifactUri("mlflow-artifacts:/3/r/artifacts").value(), "artifacts/3/r/artifacts");
  EXPECT_FALSE(KeyOfArtifactUri("mlflow-artifacts://elsewhere/3/r").value().has_value());
  EXPECT_FALSE(KeyOfArtifactUri("s3://bucket/x").value().has_value());
  EXPECT_FALSE(KeyOfArtifactUri("/etc/passwd").value().has_value());
  EXPECT_FALSE(KeyOfArtifactUri("mlflow-artifacts:/../x").ok());
}

TEST(ArtifactPath, AVersionIsReadFromItsOwnFiles) {
  registry::Version version;
  version.model = "fraud";
  version.number = 7;
  EXPECT_EQ(UriOfVersion(version), "mlflow-artifacts:/models/fraud/v7");
}

}  // namespace
}  // namespace slipway::api::mlflow
