// SPDX-License-Identifier: Apache-2.0
#include "serving/prediction_id.h"

#include <gtest/gtest.h>

#include <mutex>
#include <set>
#include <thread>

namespace slipway::serving {
namespace {

TEST(PredictionId, RisesWithinAThreadEvenWhenTheClockStandsOrGoesBack) {
  std::string last = NewPredictionId(2'000'000'000'000'000);
  for (int i = 0; i < 1000; ++i) {
    std::string next = NewPredictionId(2'000'000'000'000'000 - i * 1000);
    ASSERT_EQ(next.size(), 26U);
    ASSERT_LT(last, next);
    last = std::move(next);
  }
}

TEST(PredictionId, BeginsWithItsMillisecond) {
  // A millisecond before all others of this file, on a thread of its own: 2^48 - 1 in base 32 is
  // 7ZZZZZZZZZ.
  std::string id;
  std::thread([&id] {
    id = NewPredictionId(((int64_t{1} << 48) - 1) * base::kMillisecond);
  }).join();
  EXPECT_EQ(id.substr(0, 10), "7ZZZZZZZZZ");
}

TEST(PredictionId, IsUniqueAcrossThreads) {
  std::mutex mutex;
  std::set<std::string> all;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      std::vector<std::string> ids;
      for (int i = 0; i < 2000; ++i) ids.push_back(NewPredictionId(3'000'000'000'000'000));
      std::lock_guard lock(mutex);
      all.insert(ids.begin(), ids.end());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(all.size(), 8000U);
}

}  // namespace
}  // namespace slipway::serving
