// SPDX-License-Identifier: Apache-2.0
#include "base/threads.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <future>

namespace slipway::base {
namespace {

TEST(ThreadPool, RefusesWhenItsQueueIsFull) {
  ThreadPool pool("test", 1, 1);
  std::promise<void> started;
  std::promise<void> go;
  auto may_go = go.get_future().share();
  ASSERT_TRUE(pool.Submit([&started, may_go] {
                    started.set_value();
                    may_go.wait();
                  })
                  .ok());
  started.get_future().wait();
  ASSERT_TRUE(pool.Submit([] {}).ok());
  EXPECT_EQ(pool.QueueLength(), 1U);
  EXPECT_EQ(pool.Submit([] {}).reason(), "queue_full");
  go.set_value();
}

TEST(ThreadPool, RunsWhatIsQueuedBeforeItStops) {
  std::atomic<int> done{0};
  ThreadPool pool("test", 3, 1000);
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(pool.Submit([&done] { ++done; }).ok());
  pool.Stop();
  EXPECT_EQ(done, 500);
  EXPECT_EQ(pool.Submit([] {}).code(), Code::kUnavailable);
  pool.Stop();
}

TEST(ThreadPool, ItsThreadsStandBackAndNoOthers) {
  const auto nice_here = [] { return getpriority(PRIO_PROCESS, static_cast<id_t>(gettid())); };
  const int before = nice_here();
  std::promise<int> inside;
  {
    ThreadPool pool("test", 1, 1, 19);
    ASSERT_TRUE(pool.Submit([&] { inside.set_value(nice_here()); }).ok());
  }
  EXPECT_EQ(inside.get_future().get(), 19);
  EXPECT_EQ(nice_here(), before);
}

TEST(ThreadPool, ATaskMayEndItsOwnPool) {
  auto pool = std::make_unique<ThreadPool>("test", 2, 10);
  ThreadPool* const raw = pool.get();
  std::promise<void> ended;
  ASSERT_TRUE(
      raw->Submit([pool = std::make_shared<std::unique_ptr<ThreadPool>>(std::move(pool)), &ended] {
           pool->reset();
           ended.set_value();
         })
          .ok());
  ended.get_future().wait();
}

}  // namespace
}  // namespace slipway::base
