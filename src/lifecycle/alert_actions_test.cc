// SPDX-License-Identifier: Apache-2.0
#include "lifecycle/alert_actions.h"

#include <gtest/gtest.h>

namespace slipway::lifecycle {
namespace {

using base::Json;
using base::kHour;

base::Result<std::vector<AlertAction>> Parse(const char* json) {
  return ParseAlertActions("policies.m.on_alert", *Json::Parse(json));
}

events::Event Acted(const char* what, const char* alert, base::Micros time) {
  events::Event event;
  event.time = time;
  event.data = Json::MakeObject({{"do", what}, {"alert", alert}});
  return event;
}

TEST(AlertActions, AreReadAndRefusedByName) {
  const auto actions = Parse(
      R"([{"rule": "auc_drop", "do": "retrain", "pipeline": "train", "cooldown": "6h", "most_per_day": 2},
          {"rule": "*", "do": "pause_rollout"}])");
  ASSERT_TRUE(actions.ok()) << actions.status().ToString();
  EXPECT_EQ(actions->at(0).cooldown, 6 * kHour);
  EXPECT_EQ(actions->at(1).most_per_day, 3);
  EXPECT_EQ(Parse(R"([{"rule": "a", "do": "dance"}])").status().field(),
            "policies.m.on_alert[0].do");
  EXPECT_EQ(Parse(R"([{"rule": "a", "do": "retrain"}])").status().field(),
            "policies.m.on_alert[0].pipeline");
  EXPECT_EQ(Parse(R"([{"rule": "a", "do": "roll_back", "cooldown": "soon"}])").status().field(),
            "policies.m.on_alert[0].cooldown");
}

TEST(AlertActions, HappenOncePerAlertAndNotMoreOftenThanTheyMay) {
  const AlertAction action{"a", "roll_back", "", kHour, 2};
  const base::Micros now = 100 * kHour;
  EXPECT_EQ(HeldBack(action, "x", {}, now), "");
  EXPECT_NE(HeldBack(action, "x", {Acted("roll_back", "x", now - 5 * kHour)}, now), "");
  EXPECT_NE(HeldBack(action, "y", {Acted("roll_back", "x", now - kHour / 2)}, now), "");
  EXPECT_EQ(HeldBack(action, "y", {Acted("roll_back", "x", now - 2 * kHour)}, now), "");
  EXPECT_EQ(HeldBack(action, "y", {Acted("retrain", "x", now)}, now), "");
  EXPECT_NE(
      HeldBack(action, "z",
               {Acted("roll_back", "x", now - 9 * kHour), Acted("roll_back", "y", now - 5 * kHour)},
               now),
      "");
  EXPECT_EQ(HeldBack(action, "z",
                     {Acted("roll_back", "x", now - 25 * kHour),
                      Acted("roll_back", "y", now - 5 * kHour)},
                     now),
            "");
}

}  // namespace
}  // namespace slipway::lifecycle
