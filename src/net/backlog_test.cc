// SPDX-License-Identifier: Apache-2.0
#include "net/backlog.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace slipway::net {
namespace {

constexpr int64_t kMs = 1'000'000;

class BacklogTest : public testing::Test {
 protected:
  // Numbers of those that have their turn, all at `now_ns`.
  std::vector<int> Take(int count, int64_t now_ns) {
    std::vector<int> taken;
    for (int i = 0; i < count && !backlog_.empty(); ++i)
      taken.push_back(
          static_cast<int>(static_cast<Numbered*>(backlog_.Next(now_ns).one) - all_.data()));
    return taken;
  }
  struct Numbered : Backlogged {};
  std::array<Numbered, 20> all_{};
  Backlog backlog_;
};

TEST_F(BacklogTest, TheLongestWaitingGoesFirst) {
  for (size_t i = 0; i < 4; ++i) backlog_.Add(all_[i], 1, static_cast<int64_t>(i));
  EXPECT_EQ(Take(9, 5 * kMs), (std::vector{0, 1, 2, 3}));
  EXPECT_EQ(backlog_.Next(0).one, nullptr);
}

TEST_F(BacklogTest, OneThatWaitsKeepsItsPlaceAndIsToldAll) {
  backlog_.Add(all_[0], 1, 10);
  backlog_.Add(all_[1], 1, 20);
  backlog_.Add(all_[0], 4, 30);
  EXPECT_EQ(backlog_.size(), 2U);
  const auto turn = backlog_.Next(40);
  EXPECT_EQ(turn.one, &all_[0]);
  EXPECT_EQ(turn.bits, 5U);
  EXPECT_EQ(turn.since_ns, 10);
  backlog_.Add(all_[0], 2, 50);  // anew, behind the other
  EXPECT_EQ(Take(9, 60), (std::vector{1, 0}));
}

TEST_F(BacklogTest, OneThatIsRemovedLosesItsTurn) {
  for (size_t i = 0; i < 5; ++i) backlog_.Add(all_[i], 1, 0);
  backlog_.Remove(all_[2]);
  backlog_.Remove(all_[0]);
  backlog_.Remove(all_[4]);
  backlog_.Remove(all_[4]);
  backlog_.Add(all_[4], 1, 0);
  EXPECT_EQ(Take(9, 0), (std::vector{1, 3, 4}));
}

TEST_F(BacklogTest, OnceOneWasTooLateTheNewestGoFirstForAWhile) {
  backlog_.SetMost(1000 * kMs);
  for (size_t i = 0; i < 6; ++i) backlog_.Add(all_[i], 1, static_cast<int64_t>(i) * kMs);
  EXPECT_EQ(Take(1, 200 * kMs), (std::vector{0}));
  backlog_.Missed(200 * kMs);
  EXPECT_EQ(Take(2, 200 * kMs), (std::vector{5, 4}));
  backlog_.Add(all_[9], 1, 200 * kMs);
  EXPECT_EQ(Take(2, 201 * kMs), (std::vector{9, 3}));
  EXPECT_EQ(Take(2, 200 * kMs + Backlog::kFreshFirstNs), (std::vector{1, 2}));
}

TEST_F(BacklogTest, WhatIsToBeRefusedUnreadHasATurnAmongTheNewest) {
  backlog_.SetMost(1000 * kMs);
  for (size_t i = 0; i < 20; ++i) backlog_.Add(all_[i], 1, i < 3 ? 0 : 1200 * kMs);
  backlog_.Missed(1500 * kMs);
  EXPECT_EQ(Take(17, 1500 * kMs),
            (std::vector{19, 18, 17, 16, 15, 14, 13, 0, 12, 11, 10, 9, 8, 7, 6, 1, 5}));
  // The one that has not waited for so long has none.
  backlog_.Add(all_[10], 1, 1500 * kMs);
  EXPECT_EQ(Take(9, 1500 * kMs), (std::vector{10, 4, 3, 2}));
}

}  // namespace
}  // namespace slipway::net
