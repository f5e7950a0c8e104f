// SPDX-License-Identifier: Apache-2.0
#include "pipelines/cron.h"

#include <gtest/gtest.h>

#include <string>

#include "base/clock.h"
#include "base/status.h"

namespace slipway::pipelines {
namespace {

struct Next {
  std::string cron;
  std::string after;
  std::string fires;
};
class CronFires : public testing::TestWithParam<Next> {};
TEST_P(CronFires, AtTheNextMomentThatFits) {
  const auto cron = ParseCron(GetParam().cron);
  ASSERT_TRUE(cron.ok()) << cron.status().ToString();
  const auto next = NextFiring(*cron, base::ParseTime(GetParam().after).value());
  ASSERT_TRUE(next.has_value());
  EXPECT_EQ(*next, base::ParseTime(GetParam().fires).value()) << base::FormatTime(*next);
}
INSTANTIATE_TEST_SUITE_P(
    Schedules, CronFires,
    testing::Values(Next{"* * * * *", "2013-03-12T10:00:00Z", "2013-03-12T10:01:00Z"},
                    Next{"* * * * *", "2013-03-12T10:00:59.999999Z", "2013-03-12T10:01:00Z"},
                    Next{"0 3 * * *", "2013-03-12T03:00:00Z", "2013-03-13T03:00:00Z"},
                    Next{"0 3 * * *", "2013-03-12T02:59:30Z", "2013-03-12T03:00:00Z"},
                    Next{"*/15 9-17 * * mon-fri", "2013-03-15T17:45:00Z", "2013-03-18T09:00:00Z"},
                    Next{"30 6 1,15 * *", "2013-03-02T00:00:00Z", "2013-03-15T06:30:00Z"},
                    Next{"0 0 1 JAN *", "2013-03-12T00:00:00Z", "2014-01-01T00:00:00Z"},
                    Next{"0 0 29 2 *", "2013-03-12T00:00:00Z", "2016-02-29T00:00:00Z"},
                    Next{"0 0 * * 7", "2013-03-12T00:00:00Z", "2013-03-17T00:00:00Z"},
                    Next{"0 0 13 * fri", "2013-03-09T00:00:00Z", "2013-03-13T00:00:00Z"},
                    Next{"0 0 13 * fri", "2013-03-13T00:00:00Z", "2013-03-15T00:00:00Z"},
                    Next{"5-59/20 * * * *", "2013-12-31T23:45:00Z", "2014-01-01T00:05:00Z"}));

class CronRefuses : public testing::TestWithParam<std::string> {};
TEST_P(CronRefuses, WhatNoScheduleIs) {
  const auto cron = ParseCron(GetParam());
  EXPECT_EQ(cron.status().code(), base::Code::kInvalidArgument);
  EXPECT_EQ(cron.status().field(), "schedule");
}
INSTANTIATE_TEST_SUITE_P(Schedules, CronRefuses,
                         testing::Values("", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *",
                                         "* * 0 * *", "* * * 13 *", "* * * * 8", "a * * * *",
                                         "5/10 * * * *", "*/0 * * * *", "9-5 * * * *",
                                         "1,,2 * * * *", "-1 * * * *", "0 0 31 2 *",
                                         "* * * * monday"));

}  // namespace
}  // namespace slipway::pipelines
