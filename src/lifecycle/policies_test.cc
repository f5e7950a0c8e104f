// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "lifecycle/lifecycle.h"

namespace slipway::lifecycle {
namespace {

TEST(Policies, AreReadByModel) {
  const auto policies = ParsePolicies(*base::Json::Parse(
      R"({"flights": {"candidates": "ignore", "rollout": false}, "*": {"reference_metric": "val_auc"}})"));
  ASSERT_TRUE(policies.ok()) << policies.status().ToString();
  EXPECT_FALSE(policies->at("flights").stage_candidates);
  EXPECT_FALSE(policies->at("flights").rollout);
  EXPECT_EQ(policies->at("*").reference_metric, "val_auc");
  EXPECT_TRUE(policies->at("*").stage_candidates);
}

TEST(Policies, RefuseWhatTheyDoNotKnowAndNameIt) {
  EXPECT_EQ(ParsePolicies(*base::Json::Parse(R"({"flights": {"rolout": true}})")).status().field(),
            "policies.flights.rolout");
  EXPECT_EQ(
      ParsePolicies(*base::Json::Parse(R"({"flights": {"candidates": "maybe"}})")).status().field(),
      "policies.flights.candidates");
  EXPECT_EQ(ParsePolicies(*base::Json::Parse("[1]")).status().field(), "policies");
}

}  // namespace
}  // namespace slipway::lifecycle
