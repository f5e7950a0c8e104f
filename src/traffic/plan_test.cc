// SPDX-License-Identifier: Apache-2.0
#include "traffic/plan.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/json.h"
#include "base/status.h"
#include "traffic/endpoints.h"

namespace slipway::traffic {
namespace {

ServedEndpoint Split(double weight, const std::string& salt = "flights/2") {
  ServedEndpoint endpoint;
  endpoint.plan.salt = salt;
  endpoint.arms = {{{"stable", "flights", 1, 1 - weight}, nullptr},
                   {{"candidate", "flights", 2, weight}, nullptr}};
  return endpoint;
}

TEST(ChooseArm, NobodyEverLeavesTheCandidateWhileItGrows) {
  const std::vector<double> weights = {0.0, 0.01, 0.05, 0.25, 0.5, 0.99, 1.0};
  for (int user = 0; user < 5000; ++user) {
    bool was_in = false;
    for (const double weight : weights) {
      const bool is_in = ChooseArm(Split(weight), "user-" + std::to_string(user)) == 1;
      EXPECT_TRUE(is_in || !was_in) << "user " << user << " flipped back at " << weight;
      was_in = is_in;
    }
    EXPECT_TRUE(was_in) << "with weight 1 everybody has the candidate";
  }
}

TEST(ChooseArm, TheShareIsWithinBinomialError) {
  constexpr int kUsers = 100000;
  for (const double weight : {0.05, 0.25, 0.5}) {
    const ServedEndpoint endpoint = Split(weight);
    int in = 0;
    for (int user = 0; user < kUsers; ++user)
      in += ChooseArm(endpoint, std::to_string(user)) == 1 ? 1 : 0;
    const double error = std::sqrt(weight * (1 - weight) / kUsers);
    EXPECT_NEAR(static_cast<double>(in) / kUsers, weight, 4 * error);
  }
}

TEST(ChooseArm, IsMurmur3OfSaltColonKey) {
  const std::string key = "user-77";
  const double bucket = base::Murmur3("flights/2:user-77") / 4294967296.0;
  EXPECT_EQ(ChooseArm(Split(bucket), key), 0u) << "the bucket must be below the weight";
  EXPECT_EQ(ChooseArm(Split(std::nextafter(bucket, 1.0)), key), 1u);
}

TEST(ChooseArm, LongAndEmptyKeysWorkToo) {
  const std::string key(1000, 'k');
  const double bucket = base::Murmur3("flights/2:" + key) / 4294967296.0;
  EXPECT_EQ(ChooseArm(Split(bucket), key), 0u);
  EXPECT_EQ(ChooseArm(Split(std::nextafter(bucket, 1.0)), key), 1u);
  EXPECT_EQ(ChooseArm(Split(1.0), ""), 1u);
}

TEST(ChooseArm, AShadowNeverAnswers) {
  ServedEndpoint endpoint;
  endpoint.arms = {{{"shadow", "flights", 2, 0}, nullptr}, {{"stable", "flights", 1, 1}, nullptr}};
  for (int user = 0; user < 1000; ++user) EXPECT_EQ(ChooseArm(endpoint, std::to_string(user)), 1u);
}

struct BadArms {
  std::vector<Arm> arms;
  std::string field;
};
class CheckArmsRefuses : public testing::TestWithParam<BadArms> {};
TEST_P(CheckArmsRefuses, NamingTheField) {
  const base::Status status = CheckArms(GetParam().arms);
  EXPECT_EQ(status.code(), base::Code::kInvalidArgument);
  EXPECT_EQ(status.field(), GetParam().field) << status.ToString();
}
INSTANTIATE_TEST_SUITE_P(
    Plans, CheckArmsRefuses,
    testing::Values(BadArms{{}, "arms"}, BadArms{{{"candidate", "m", 1, 1}}, "arms"},
                    BadArms{{{"stable", "m", 1, 0.5}}, "arms"},
                    BadArms{{{"stable", "m", 0, 1}}, "arms[0].version"},
                    BadArms{{{"stable", "", 1, 1}}, "arms[0].model"},
                    BadArms{{{"stable", "m", 1, std::nan("")}}, "arms[0].weight"},
                    BadArms{{{"stable", "m", 1, 1}, {"stable", "m", 2, 0}}, "arms[1].name"},
                    BadArms{{{"stable", "m", 1, 1}, {"canary", "m", 2, 0}}, "arms[1].name"},
                    BadArms{{{"stable", "m", 1, 0.5}, {"shadow", "m", 2, 0.5}}, "arms[1].weight"}));

TEST(Plan, ArmsSurviveJson) {
  const std::vector<Arm> arms = {{"stable", "a b", 3, 0.95}, {"candidate", "a b", 4, 0.05}};
  const auto back = ArmsFromJson(base::Json::Parse(ArmsToJson(arms).Dump()).value());
  ASSERT_TRUE(back.ok());
  ASSERT_EQ(back->size(), 2u);
  EXPECT_EQ((*back)[1].name, "candidate");
  EXPECT_EQ((*back)[1].version, 4);
  EXPECT_EQ((*back)[1].weight, 0.05);
  EXPECT_EQ((*back)[0].model, "a b");
}

}  // namespace
}  // namespace slipway::traffic
