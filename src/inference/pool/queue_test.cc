// SPDX-License-Identifier: Apache-2.0
#include "inference/pool/queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "inference/pool/pace.h"
#include "inference/testing.h"

namespace slipway::inference::pool {
namespace {

class Line : public testing::Test {
 protected:
  struct Ask {
    float id = 0;
    int64_t rows = 1;
    std::string caller = {};
    size_t level = 0;
    int64_t deadline_ns = 0;
    int64_t enqueued_ns = 0;
    bool stackable = true;
    std::shared_ptr<std::atomic<bool>> cancelled = {};
  };

  static Waiting Make(const Ask& ask) {
    Waiting waiting;
    waiting.request = OneNumber(std::vector<float>(static_cast<size_t>(ask.rows), ask.id));
    waiting.rows = ask.rows;
    waiting.caller = ask.caller;
    waiting.level = ask.level;
    waiting.deadline_ns = ask.deadline_ns;
    waiting.enqueued_ns = ask.enqueued_ns;
    waiting.stackable = ask.stackable;
    waiting.cancelled = ask.cancelled;
    return waiting;
  }
  bool Push(const Ask& ask) {
    std::vector<Waiting> pieces;
    pieces.push_back(Make(ask));
    return queue_.Push(pieces, pushed_out_);
  }
  static std::vector<int> Ids(const std::vector<Waiting>& all) {
    std::vector<int> ids;
    for (const Waiting& one : all)
      ids.push_back(static_cast<int>(one.request.inputs[0].tensor.NumberAt(0)));
    return ids;
  }
  std::vector<int> Take(int64_t now_ns = 1) { return Ids(queue_.Take(now_ns, 0, false).batch); }

  std::vector<Waiting> pushed_out_;
  Queue queue_{{.max_batch_rows = 4, .max_queue_rows = 12}};
};

class Delayed : public Line {
 protected:
  Delayed() = default;
  Queue delayed_{
      {.max_batch_rows = 8, .max_queue_rows = 100, .max_delay_ns = 1000, .preferred_rows = {2, 4}}};
  void Add(const Ask& ask) {
    std::vector<Waiting> pieces;
    pieces.push_back(Make(ask));
    ASSERT_TRUE(delayed_.Push(pieces, pushed_out_));
  }
};

TEST_F(Line, BatchesInOrderOfArrivalUpToTheLimit) {
  for (int i = 1; i <= 5; ++i) Push({.id = static_cast<float>(i)});
  EXPECT_EQ(queue_.rows(), 5);
  EXPECT_EQ(Take(), (std::vector<int>{1, 2, 3, 4}));
  EXPECT_EQ(Take(), (std::vector<int>{5}));
  EXPECT_EQ(Take(), std::vector<int>());
  EXPECT_EQ(queue_.size(), 0U);
}

TEST_F(Line, WhatDoesNotFitBeginsTheNextBatch) {
  Push({.id = 1, .rows = 3});
  Push({.id = 2, .rows = 2});
  Push({.id = 3, .rows = 1});
  EXPECT_EQ(Take(), (std::vector<int>{1}));
  EXPECT_EQ(Take(), (std::vector<int>{2, 3}));
}

TEST_F(Line, ACallerWithManyWaitingDoesNotKeepOthersBack) {
  for (int i = 0; i < 8; ++i) Push({.id = 1, .caller = "greedy"});
  Push({.id = 2, .caller = "modest"});
  Push({.id = 3, .caller = "other"});
  EXPECT_EQ(Take(), (std::vector<int>{1, 2, 3, 1}));
}

TEST_F(Line, TurnsCountRowsNotRequests) {
  Queue queue({.max_batch_rows = 1, .max_queue_rows = 100});
  std::vector<Waiting> pieces;
  for (int i = 0; i < 2; ++i) {
    pieces.clear();
    pieces.push_back(Make({.id = 1, .rows = 4, .caller = "wide"}));
    queue.Push(pieces, pushed_out_);
  }
  for (int i = 0; i < 6; ++i) {
    pieces.clear();
    pieces.push_back(Make({.id = 2, .caller = "narrow"}));
    queue.Push(pieces, pushed_out_);
  }
  std::vector<int> order;
  while (queue.size() > 0) order.push_back(Ids(queue.Take(1, 0, false).batch)[0]);
  EXPECT_EQ(order, (std::vector<int>{1, 2, 2, 2, 2, 1, 2, 2}));
}

TEST_F(Line, HigherPrioritiesGoFirstAndTheLowestIsNotForgotten) {
  Queue queue({.max_batch_rows = 1, .max_queue_rows = 100, .levels = 3});
  std::vector<Waiting> pieces;
  for (int i = 0; i < 20; ++i) {
    pieces.clear();
    pieces.push_back(Make({.id = static_cast<float>(i < 2 ? 3 : 1), .level = i < 2 ? 2U : 0U}));
    queue.Push(pieces, pushed_out_);
  }
  std::vector<int> order;
  for (int i = 0; i < 16; ++i) order.push_back(Ids(queue.Take(1, 0, false).batch)[0]);
  EXPECT_EQ(order, (std::vector<int>{1, 1, 1, 1, 1, 1, 1, 3, 1, 1, 1, 1, 1, 1, 1, 3}));
}

TEST_F(Line, ABatchOfAHigherLevelIsFilledFromLowerOnes) {
  Queue queue({.max_batch_rows = 4, .max_queue_rows = 100, .levels = 2});
  std::vector<Waiting> pieces;
  for (const size_t level : {1U, 0U}) {
    pieces.clear();
    pieces.push_back(Make({.id = static_cast<float>(level), .level = level}));
    queue.Push(pieces, pushed_out_);
  }
  EXPECT_EQ(Ids(queue.Take(1, 0, false).batch), (std::vector<int>{0, 1}));
}

TEST_F(Line, WhatIsLateOrGivenUpIsDroppedNotRun) {
  auto gone = std::make_shared<std::atomic<bool>>(true);
  Push({.id = 1, .deadline_ns = 5});
  Push({.id = 2, .cancelled = gone});
  Push({.id = 3, .deadline_ns = 100});
  Queue::Taken taken = queue_.Take(10, 0, false);
  EXPECT_EQ(Ids(taken.dropped), (std::vector<int>{1, 2}));
  EXPECT_EQ(Ids(taken.batch), (std::vector<int>{3}));
  EXPECT_EQ(queue_.rows(), 0);
}

TEST_F(Line, UnderLoadWhatCannotEndInTimeIsDropped) {
  Push({.id = 1, .deadline_ns = 100});
  EXPECT_EQ(Ids(queue_.Take(50, 80, false).batch), (std::vector<int>{1})) << "nothing else waits";
  for (int i = 0; i < 5; ++i) Push({.id = 2, .deadline_ns = 100});
  EXPECT_EQ(queue_.Take(50, 80, false).dropped.size(), 1U);
}

TEST_F(Line, AFullQueueRefusesTheCallerThatFillsIt) {
  for (int i = 0; i < 12; ++i) EXPECT_TRUE(Push({.id = static_cast<float>(i), .caller = "a"}));
  EXPECT_FALSE(Push({.id = 99, .caller = "a"}));
  EXPECT_TRUE(pushed_out_.empty());
  EXPECT_TRUE(Push({.id = 50, .rows = 2, .caller = "b"}));
  EXPECT_EQ(Ids(pushed_out_), (std::vector<int>{11, 10}));
  EXPECT_EQ(queue_.rows(), 12);
}

TEST_F(Line, AnEqualShareIsNotPushedOut) {
  for (int i = 0; i < 6; ++i) {
    Push({.id = 1, .caller = "a"});
    Push({.id = 2, .caller = "b"});
  }
  EXPECT_FALSE(Push({.id = 2, .caller = "b"}));
  EXPECT_TRUE(Push({.id = 3, .caller = "c"}));
}

TEST_F(Line, RowsBeforeARequestAreItsFairShareOfTheQueue) {
  for (int i = 0; i < 10; ++i) Push({.id = 1, .caller = "greedy"});
  EXPECT_EQ(queue_.RowsBefore(0, "modest", 1), 1);
  EXPECT_EQ(queue_.RowsBefore(0, "greedy", 1), 10);
}

TEST_F(Delayed, WaitsForAPreferredSizeButNotLonger) {
  Add({.id = 1, .enqueued_ns = 100});
  Queue::Taken taken = delayed_.Take(200, 0, false);
  EXPECT_TRUE(taken.batch.empty());
  EXPECT_EQ(taken.again_ns, 1100);
  EXPECT_EQ(Ids(delayed_.Take(1100, 0, false).batch), (std::vector<int>{1}));
}

TEST_F(Delayed, StopsAtTheLargestPreferredSizeThatIsThere) {
  for (int i = 1; i <= 5; ++i) Add({.id = static_cast<float>(i), .enqueued_ns = 100});
  EXPECT_EQ(Ids(delayed_.Take(100, 0, false).batch), (std::vector<int>{1, 2, 3, 4}));
  EXPECT_TRUE(delayed_.Take(100, 0, false).batch.empty());
  EXPECT_EQ(Ids(delayed_.Take(100, 0, true).batch), (std::vector<int>{5})) << "in a hurry";
}

TEST_F(Delayed, DoesNotWaitForWhatCannotJoin) {
  Add({.id = 1, .enqueued_ns = 100, .stackable = false});
  EXPECT_EQ(Ids(delayed_.Take(100, 0, false).batch), (std::vector<int>{1}));
}

TEST(PaceTest, LearnsARunARowAndAWait) {
  Pace pace;
  EXPECT_EQ(pace.RunNs(1), -1);
  EXPECT_EQ(pace.WaitNs(10, 1), 0);
  pace.Ran(1, 1000);
  EXPECT_EQ(pace.RunNs(1), 1000);
  EXPECT_EQ(pace.WaitNs(10, 2), 5000);
  pace.Drained(4, 8000);
  EXPECT_EQ(pace.WaitNs(10, 2), 20000)
      << "what was seen to leave counts more than what was reckoned";
}

TEST(PaceTest, OnePreemptedRunDoesNotMakeAModelCostly) {
  Pace pace;
  pace.Ran(1, 1000);
  pace.Ran(1, 1'000'000'000);
  EXPECT_LT(pace.RunNs(1), 3000);
}

}  // namespace
}  // namespace slipway::inference::pool
