// SPDX-License-Identifier: Apache-2.0
// Versions of the registry that are graphs of other models: here, because this room's tests have a
// registry, endpoints and a runtime together.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "repository/testing.h"

namespace slipway::repository {
namespace {

class RegisteredEnsemble : public testing::Test, protected RepositoryHouse {
 protected:
  int64_t Times(const std::string& model, int factor) {
    return Register(model, {{"model.onnx", "times " + std::to_string(factor)}});
  }
  // raw -> `first` -> `second` -> end
  int64_t Chain(const std::string& model, const std::string& first, const std::string& second) {
    return Register(model,
                    {{"ensemble.yaml", "steps:\n- {model: " + first +
                                           ", inputs: {x: raw}, outputs: {y: mid}}\n"
                                           "- {model: " +
                                           second + ", inputs: {x: mid}, outputs: {y: end}}"}});
  }
  bool IsLoaded(const std::string& key) const {
    const auto keys = LoadedKeys();
    return std::ranges::find(keys, key) != keys.end();
  }
};

TEST_F(RegisteredEnsemble, StepsArePinnedOrFollowTheirEndpoint) {
  Times("scale", 2);
  Times("scale", 3);
  Times("forest", 10);
  ASSERT_TRUE(registry().SetAlias("forest", "champion", 1, kLocal).ok());
  ASSERT_TRUE(Serve("scale", 1).ok());
  ASSERT_EQ(Serve("whole", Chain("whole", "scale", "forest@champion")).ToString(), "OK");
  EXPECT_EQ(AskEndpoint("whole"), 20);
  ASSERT_TRUE(Serve("scale", 2).ok());
  EXPECT_EQ(AskEndpoint("whole"), 30) << "the endpoint is followed";
  Times("forest", 100);
  ASSERT_TRUE(registry().SetAlias("forest", "champion", 2, kLocal).ok());
  EXPECT_EQ(AskEndpoint("whole"), 30) << "the alias was looked up when it was loaded";
  ASSERT_TRUE(Serve("whole", Chain("whole", "scale/1", "forest@champion")).ok());
  EXPECT_EQ(AskEndpoint("whole"), 200);
}

TEST_F(RegisteredEnsemble, WhatCannotRunIsRefusedWithTheStep) {
  Times("scale", 2);
  const auto absent = Serve("whole", Chain("whole", "scale/1", "nothing"));
  EXPECT_EQ(absent.reason(), "step_not_loaded") << absent.ToString();
  const auto unknown = Serve("whole", Chain("whole", "scale/9", "scale/1"));
  EXPECT_NE(unknown.message().find("step 0 (\"scale\")"), std::string::npos) << unknown.ToString();
  const auto itself = Serve("whole", Chain("whole", "scale/1", "whole"));
  EXPECT_EQ(itself.reason(), "bad_ensemble") << itself.ToString();
  const auto broken = Serve("odd", Register("odd", {{"ensemble.yaml", "steps: 1"}}));
  EXPECT_EQ(broken.field(), "ensemble.steps");
}

TEST_F(RegisteredEnsemble, TwoThatFollowEachOtherAreRefused) {
  Times("a", 2);
  Times("b", 3);
  ASSERT_TRUE(Serve("a", 1).ok());
  ASSERT_TRUE(Serve("b", 1).ok());
  ASSERT_TRUE(Serve("a", Chain("a", "b", "b")).ok());
  EXPECT_EQ(AskEndpoint("a"), 9);
  EXPECT_EQ(Serve("b", Chain("b", "a", "a")).reason(), "bad_ensemble");
  EXPECT_EQ(AskEndpoint("b"), 3);
}

TEST_F(RegisteredEnsemble, ItsPartsAreLoadedAsLongAsItIs) {
  Times("scale", 2);
  ASSERT_TRUE(Serve("whole", Chain("whole", "scale/1", "scale/1")).ok());
  EXPECT_TRUE(IsLoaded("scale/1"));
  // Two more, so that the first one is not even what a rollback would restore.
  for (const int factor : {5, 7}) {
    ASSERT_TRUE(Serve("whole", Times("whole", factor)).ok());
    EXPECT_EQ(IsLoaded("scale/1"), factor == 5);
  }
  ASSERT_TRUE(Serve("scale", 1).ok());
  ASSERT_TRUE(Serve("other", Chain("other", "scale/1", "scale/1")).ok());
  for (const int factor : {5, 7}) ASSERT_TRUE(Serve("other", Times("other", factor)).ok());
  EXPECT_EQ(AskEndpoint("scale"), 2) << "its own endpoint still holds it";
  EXPECT_TRUE(IsLoaded("scale/1"));
}

TEST_F(RegisteredEnsemble, ARestartServesItWhateverTheOrderOfTheNames) {
  Times("zeta", 4);
  ASSERT_TRUE(Serve("zeta", 1).ok());
  ASSERT_TRUE(Serve("alpha", Chain("alpha", "zeta", "zeta/1")).ok());
  ASSERT_EQ(Restart().ToString(), "OK");
  EXPECT_EQ(AskEndpoint("alpha"), 16);
}

}  // namespace
}  // namespace slipway::repository
