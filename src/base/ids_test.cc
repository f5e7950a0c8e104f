// SPDX-License-Identifier: Apache-2.0
#include "base/ids.h"

#include <gtest/gtest.h>

#include <mutex>
#include <set>
#include <thread>
#include <vector>

namespace slipway::base {
namespace {

TEST(Ids, RandomHexIsThirtyTwoDigitsAndNeverTwice) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string id = RandomHex32();
    EXPECT_EQ(id.size(), 32U);
    EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos);
    EXPECT_TRUE(seen.insert(id).second);
  }
}

TEST(Ids, UlidsRiseEvenWhenTheClockStandsOrGoesBack) {
  std::string last;
  for (int i = 0; i < 3000; ++i) {
    const Micros now = (1000 + i % 7) * kSecond;  // forth and back
    const std::string id = NewUlid(now);
    EXPECT_EQ(id.size(), 26U);
    EXPECT_LT(last, id);
    last = id;
  }
}

TEST(Ids, UlidsCarryTheTime) {
  // 2 100 000 000 000 ms, past every other time in this process: the first ten characters are the
  // time in base 32.
  EXPECT_EQ(NewUlid(2'100'000'000'000'000).substr(0, 10), "01X3RW2200");
}

TEST(Ids, UlidsOfThreadsNeverMeet) {
  std::mutex mutex;
  std::set<std::string> all;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      std::vector<std::string> own;
      for (int i = 0; i < 1000; ++i) own.push_back(NewUlid(5 * kSecond));
      EXPECT_TRUE(std::is_sorted(own.begin(), own.end()));
      const std::lock_guard lock(mutex);
      all.insert(own.begin(), own.end());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(all.size(), 4000U);
}

}  // namespace
}  // namespace slipway::base
