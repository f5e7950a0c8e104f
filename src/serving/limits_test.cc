// SPDX-License-Identifier: Apache-2.0
#include "serving/limits.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "serving/predict.h"
#include "serving/testing.h"

namespace slipway::serving {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;

Limits Make(const std::vector<std::string>& lines) {
  auto rules = ParseLimits(lines);
  EXPECT_TRUE(rules.ok()) << rules.status().ToString();
  return Limits(rules.ok() ? *rules : std::vector<LimitRule>());
}

TEST(LimitsTest, ARateIsABurstAndThenSoManyASecond) {
  Limits limits = Make({"endpoint=m rate=2 burst=3"});
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limits.Enter("m", "", 0).ok()) << i;
  const auto refused = limits.Enter("m", "", 0);
  EXPECT_EQ(refused.status().code(), base::Code::kResourceExhausted);
  EXPECT_EQ(refused.status().reason(), "rate_limited");
  EXPECT_NE(refused.status().message().find("; retry in 1 s"), std::string::npos);
  EXPECT_TRUE(limits.Enter("m", "", kSecondNs / 2).ok());
  EXPECT_FALSE(limits.Enter("m", "", kSecondNs / 2).ok());
  EXPECT_TRUE(limits.Enter("other", "", 0).ok()) << "another endpoint has no rule";
}

TEST(LimitsTest, CallersHaveAccountsOfTheirOwn) {
  Limits limits = Make({"per=caller rate=1"});
  EXPECT_TRUE(limits.Enter("m", "ann", 0).ok());
  EXPECT_FALSE(limits.Enter("n", "ann", 0).ok());
  EXPECT_TRUE(limits.Enter("m", "bob", 0).ok());
}

TEST(LimitsTest, OnlySoManyAtOnce) {
  Limits limits = Make({"per=endpoint at_once=2"});
  auto first = limits.Enter("m", "", 0);
  std::optional<base::Result<Limits::Pass>> second(limits.Enter("m", "", 0));
  EXPECT_EQ(limits.Enter("m", "", 0).status().reason(), "too_many_at_once");
  EXPECT_TRUE(limits.Enter("n", "", 0).ok());
  second.reset();
  EXPECT_TRUE(limits.Enter("m", "", 0).ok());
}

TEST(LimitsTest, ARefusalByOneRuleCostsNothingOfTheOthers) {
  Limits limits = Make({"rate=2 burst=2", "per=caller rate=1"});
  EXPECT_TRUE(limits.Enter("m", "ann", 0).ok());
  EXPECT_FALSE(limits.Enter("m", "ann", 0).ok());
  EXPECT_TRUE(limits.Enter("m", "bob", 0).ok());
}

TEST(LimitsTest, ManyCallersTakeBoundedMemoryAndAreStillLimited) {
  Limits limits = Make({"per=caller rate=1"});
  for (size_t i = 0; i < Limits::kMostAccounts; ++i)
    ASSERT_TRUE(limits.Enter("m", std::to_string(i), 0).ok());
  EXPECT_TRUE(limits.Enter("m", "one more", 0).ok());
  EXPECT_FALSE(limits.Enter("m", "and another", 0).ok()) << "they share an account";
  EXPECT_TRUE(limits.Enter("m", "later", 2 * kSecondNs).ok()) << "old accounts are forgotten";
  EXPECT_TRUE(limits.Enter("m", "later still", 2 * kSecondNs).ok());
}

TEST(LimitsTest, ARuleThatCannotBeReadIsNamed) {
  for (const char* line : {"rate=fast", "rate=0", "endpoint=m", "speed=3", "rate", "per=cat rate=1",
                           "at_once=-1", "rate=1 burst=0"}) {
    const auto rules = ParseLimits({line});
    EXPECT_EQ(rules.status().field(), "serving.rate_limits") << line;
    EXPECT_NE(rules.status().message().find(line), std::string::npos);
  }
}

TEST(Predictor, RefusesACallerThatSendsTooMuchAndServesTheOthers) {
  ServingSettings settings;
  settings.rate_limits = {"endpoint=m per=caller rate=0.001 burst=1"};
  FakeServing serving(settings);
  serving.routes.Set("m", 1, {{"stable", 1, 1, TimesModel(2)}});
  const auto ask = [&](const std::string& caller) {
    PredictCall call = OneNumberCall({1});
    call.caller = caller;
    return serving.Ask(std::move(call)).status;
  };
  EXPECT_TRUE(ask("ann").ok());
  EXPECT_EQ(ask("ann").reason(), "rate_limited");
  EXPECT_TRUE(ask("bob").ok());
  EXPECT_EQ(serving.recorder.Records().size(), 2U) << "what was refused is no prediction";
}

}  // namespace
}  // namespace slipway::serving
