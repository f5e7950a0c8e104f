// SPDX-License-Identifier: Apache-2.0
#include "registry/names.h"

#include <gtest/gtest.h>

#include <string>

#include "base/status.h"
#include "registry/registry.h"

namespace slipway::registry {
namespace {

TEST(Names, AModelsNameIsOnePathSegment) {
  for (const std::string good : {"fraud", "late flights", "a.b-c_d", "...", "modèle"})
    EXPECT_TRUE(CheckModelName(good).ok()) << good;
  for (const std::string bad : {"", ".", "..", "a/b", "a:b", "a\nb", "/"}) {
    EXPECT_EQ(CheckModelName(bad).code(), base::Code::kInvalidArgument) << bad;
  }
  EXPECT_TRUE(CheckModelName(std::string(250, 'x')).ok());
  EXPECT_FALSE(CheckModelName(std::string(251, 'x')).ok());
}

TEST(Names, AnAliasDoesNotLookLikeAVersion) {
  for (const std::string good : {"champion", "v", "v1a", "A_b-3", "7"})
    EXPECT_TRUE(CheckAlias(good).ok()) << good;
  for (const std::string bad : {"", "latest", "Latest", "v12", "V1", "a b", "a/b", "é"})
    EXPECT_FALSE(CheckAlias(bad).ok()) << bad;
}

TEST(Names, TagsHaveLimits) {
  EXPECT_TRUE(CheckTag("k", std::string(100'000, 'x')).ok());
  EXPECT_FALSE(CheckTag("k", std::string(100'001, 'x')).ok());
  EXPECT_FALSE(CheckTag("", "x").ok());
  EXPECT_FALSE(CheckTag(std::string(251, 'k'), "x").ok());
}

TEST(Names, StagesAreReadInAnyCase) {
  EXPECT_EQ(ParseStage("production").value(), Stage::kProduction);
  EXPECT_EQ(ParseStage("NONE").value(), Stage::kNone);
  EXPECT_EQ(StageName(ParseStage("Archived").value()), "Archived");
  EXPECT_EQ(ParseStage("live").status().reason(), "invalid_stage");
}

}  // namespace
}  // namespace slipway::registry
