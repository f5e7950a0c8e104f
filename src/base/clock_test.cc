// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <atomic>
#include <thread>

namespace slipway::base {
namespace {

constexpr Micros kLongEnough = 20 * kSecond;  // of real time; reaching it is a failure

TEST(DrivenClock, WakesAWaiterWhenItsTimeComes) {
  DrivenClock clock(100);
  std::atomic<bool> reached{false};
  std::thread waiter([&] { reached = clock.WaitUntil(200, kLongEnough); });
  EXPECT_TRUE(clock.Advance(150).ok());
  EXPECT_TRUE(clock.Advance(200).ok());
  waiter.join();
  EXPECT_TRUE(reached);
  EXPECT_EQ(clock.Now(), 200);
}

TEST(DrivenClock, RefusesToMoveBack) {
  DrivenClock clock(100);
  EXPECT_EQ(clock.Advance(99).code(), Code::kOutOfRange);
  EXPECT_EQ(clock.Now(), 100);
}

TEST(DrivenClock, GivesUpAfterTheLongestWait) {
  DrivenClock clock(0);
  EXPECT_FALSE(clock.WaitUntil(1, 1));
}

TEST(SystemClock, IsWokenByInterrupt) {
  SystemClock clock;
  std::atomic<bool> done{false};
  std::thread waiter([&] {
    EXPECT_FALSE(clock.WaitUntil(clock.Now() + kDay, kLongEnough));
    done = true;
  });
  while (!done) {
    clock.Interrupt();
    std::this_thread::yield();
  }
  waiter.join();
}

TEST(SystemClock, DoesNotWaitForThePast) {
  SystemClock clock;
  EXPECT_TRUE(clock.WaitUntil(clock.Now() - 1, kLongEnough));
  EXPECT_TRUE(clock.WaitUntil(clock.Now() + 1000, kLongEnough));
}

TEST(TimeText, IsRfc3339) {
  EXPECT_EQ(FormatTime(0), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(FormatTime(1363046400000001), "2013-03-12T00:00:00.000001Z");
  EXPECT_EQ(FormatTime(-1), "1969-12-31T23:59:59.999999Z");
}

TEST(TimeText, ReadsFractionsAndOffsets) {
  EXPECT_EQ(*ParseTime("2013-03-12T00:00:00Z"), 1363046400000000);
  EXPECT_EQ(*ParseTime("2013-03-12 01:00:00.5+01:00"), 1363046400500000);
  EXPECT_EQ(*ParseTime("2013-03-11t22:30:00.1234567-01:30"), 1363046400123456);
  EXPECT_EQ(*ParseTime("2012-02-29T00:00:00Z"), 1330473600000000);
}

TEST(TimeText, RefusesWhatIsNoTime) {
  for (const char* text :
       {"", "2013-03-12", "2013-02-29T00:00:00Z", "2013-13-01T00:00:00Z", "2013-03-12T24:00:00Z",
        "2013-03-12T00:60:00Z", "2013-03-12T00:00:00", "2013-03-12T00:00:00.Z",
        "2013-03-12T00:00:00Zx", "2013-03-12T00:00:00+0100", "13-03-12T00:00:00Z"}) {
    EXPECT_EQ(ParseTime(text).status().reason(), "bad_time") << text;
  }
}

TEST(TimeText, ReadsBackWhatItWrote) {
  rc::check([] {
    const Micros time =
        *rc::gen::inRange<Micros>(-62135596800LL * kSecond, 253402300799LL * kSecond);
    RC_ASSERT(*ParseTime(FormatTime(time)) == time);
  });
}

TEST(DurationText, ReadsUnitsAndSums) {
  EXPECT_EQ(*ParseDuration("250ms"), 250 * kMillisecond);
  EXPECT_EQ(*ParseDuration("5s"), 5 * kSecond);
  EXPECT_EQ(*ParseDuration("10m"), 10 * kMinute);
  EXPECT_EQ(*ParseDuration("1h30m"), 90 * kMinute);
  EXPECT_EQ(*ParseDuration("14d"), 14 * kDay);
  EXPECT_EQ(*ParseDuration("1.5s"), 1500 * kMillisecond);
  EXPECT_EQ(*ParseDuration("7us"), 7);
  EXPECT_EQ(*ParseDuration("0"), 0);
}

TEST(DurationText, RefusesWhatIsNoDuration) {
  for (const char* text : {"", "5", "s", "-5s", "5 s", "5s5", "1..5s", "1e3s", "5x", "99999999999d",
                           "9999999999999999999999us"}) {
    EXPECT_EQ(ParseDuration(text).status().reason(), "bad_duration") << text;
  }
}

TEST(DurationText, ReadsBackWhatItWrote) {
  EXPECT_EQ(FormatDuration(0), "0s");
  EXPECT_EQ(FormatDuration(90 * kMinute), "1h30m");
  EXPECT_EQ(FormatDuration(-1500), "-1ms500us");
  rc::check([] {
    const Micros duration = *rc::gen::inRange<Micros>(0, 100 * 365 * kDay);
    RC_ASSERT(*ParseDuration(FormatDuration(duration)) == duration);
  });
}

}  // namespace
}  // namespace slipway::base
