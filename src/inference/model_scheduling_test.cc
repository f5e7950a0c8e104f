// SPDX-License-Identifier: Apache-2.0
// What a model's own settings and a request's options do to the order and the number of runs.
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/status.h"
#include "inference/model_pool.h"
#include "inference/testing.h"

namespace slipway::inference {
namespace {

using base::Code;
using Answer = std::future<base::Result<Response>>;

// Holds every run back until it is let go, and remembers the first value and the rows of each.
class Gate {
 public:
  base::Result<Response> Pass(const Request& request) {
    const Tensor& x = request.inputs[0].tensor;
    std::unique_lock lock(mutex_);
    if (armed_) {
      firsts_.push_back(static_cast<int>(x.NumberAt(0)));
      rows_.push_back(x.rows());
      change_.notify_all();
      change_.wait(lock, [&] { return tokens_ > 0; });
      --tokens_;
    }
    lock.unlock();
    return TimesTen(request);
  }
  void Arm() {
    std::lock_guard lock(mutex_);
    armed_ = true;
  }
  void Let(int runs) {
    std::lock_guard lock(mutex_);
    tokens_ += runs;
    change_.notify_all();
  }
  void WaitForRuns(size_t count) {
    std::unique_lock lock(mutex_);
    change_.wait(lock, [&] { return rows_.size() >= count; });
  }
  std::vector<int> firsts() {
    std::lock_guard lock(mutex_);
    return firsts_;
  }
  std::vector<int64_t> rows() {
    std::lock_guard lock(mutex_);
    return rows_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable change_;
  bool armed_ = false;
  int tokens_ = 0;
  std::vector<int> firsts_;
  std::vector<int64_t> rows_;
};

class Scheduling : public testing::Test {
 protected:
  PoolSettings settings_ = [] {
    PoolSettings settings;
    settings.threads = 1;
    settings.inline_run_us = 0;
    settings.max_batch_rows = 4;
    settings.max_queue_rows = 20;
    return settings;
  }();
  ModelConfig config_;
  Gate gate_;
  base::Metrics metrics_;
  std::unique_ptr<ModelPool> pool_;
  std::shared_ptr<LoadedModel> model_;

  void TearDown() override { gate_.Let(1'000'000); }

  void Make() {
    std::vector<std::unique_ptr<Runtime>> runtimes;
    runtimes.push_back(std::make_unique<FakeRuntime>(
        [this](const std::string&) -> base::Result<std::unique_ptr<Session>> {
          return std::unique_ptr<Session>(std::make_unique<FakeSession>(
              OneNumberModel(), [this](const Request& request) { return gate_.Pass(request); }));
        }));
    pool_ = std::make_unique<ModelPool>(settings_, std::move(runtimes), metrics_);
    ModelSource source{"m/1", "fake", "good"};
    source.config = config_;
    auto model = pool_->Load(source);
    ASSERT_TRUE(model.ok()) << model.status().ToString();
    model_ = *model;
    gate_.Arm();
  }
  Answer Ask(std::vector<float> rows, RunOptions options = {}) {
    auto promise = std::make_shared<std::promise<base::Result<Response>>>();
    Answer answer = promise->get_future();
    model_->Run(OneNumber(rows), std::move(options),
                [promise](base::Result<Response> response, RunTiming) {
                  promise->set_value(std::move(response));
                });
    return answer;
  }
};

TEST_F(Scheduling, ZeroRowsABatchMeansNeverStacked) {
  config_.max_batch_rows = 0;
  Make();
  std::vector<Answer> answers;
  for (int i = 0; i < 3; ++i) answers.push_back(Ask({static_cast<float>(i), 0, 0, 0, 0, 0}));
  gate_.Let(3);
  for (Answer& answer : answers) EXPECT_TRUE(answer.get().ok());
  EXPECT_EQ(gate_.rows(), (std::vector<int64_t>{6, 6, 6}));
}

TEST_F(Scheduling, AModelsOwnLimitSplitsALargerRequest) {
  config_.max_batch_rows = 2;
  Make();
  Answer answer = Ask({1, 2, 3, 4, 5});
  gate_.Let(3);
  EXPECT_EQ(answer.get()->outputs[0].tensor.rows(), 5);
  EXPECT_EQ(gate_.rows(), (std::vector<int64_t>{2, 2, 1}));
  pool_->Stop();
  const ModelStatistics counts = model_->Statistics();
  EXPECT_EQ(counts.success.count, 1U) << "one request, whatever its pieces";
  EXPECT_EQ(counts.run.count, 1U);
  EXPECT_EQ(counts.execution_count, 3U);
  EXPECT_EQ(counts.inference_count, 5U);
}

TEST_F(Scheduling, HigherPrioritiesRunFirst) {
  config_.priority_levels = 2;
  config_.max_batch_rows = 1;
  Make();
  std::vector<Answer> answers;
  answers.push_back(Ask({0}));
  gate_.WaitForRuns(1);
  answers.push_back(Ask({3}));  // names none: the lowest
  answers.push_back(Ask({2}, {.priority = 2}));
  answers.push_back(Ask({1}, {.priority = 1}));
  gate_.Let(4);
  for (Answer& answer : answers) EXPECT_TRUE(answer.get().ok());
  EXPECT_EQ(gate_.firsts(), (std::vector<int>{0, 1, 3, 2}));
}

TEST_F(Scheduling, CallersTakeTurns) {
  config_.max_batch_rows = 1;
  Make();
  std::vector<Answer> answers;
  answers.push_back(Ask({0}));
  gate_.WaitForRuns(1);
  for (int i = 0; i < 3; ++i) answers.push_back(Ask({1}, {.caller = "greedy"}));
  answers.push_back(Ask({2}, {.caller = "modest"}));
  gate_.Let(5);
  for (Answer& answer : answers) EXPECT_TRUE(answer.get().ok());
  EXPECT_EQ(gate_.firsts(), (std::vector<int>{0, 1, 2, 1, 1}));
}

TEST_F(Scheduling, ACallerThatHasGoneIsNotRunFor) {
  Make();
  Answer running = Ask({0});
  gate_.WaitForRuns(1);
  auto gone = std::make_shared<std::atomic<bool>>(false);
  Answer given_up = Ask({1}, {.cancelled = gone});
  gone->store(true);
  gate_.Let(1);
  const auto response = given_up.get();
  EXPECT_EQ(response.status().code(), Code::kCancelled);
  EXPECT_EQ(response.status().reason(), "caller_gone");
  EXPECT_EQ(gate_.rows().size(), 1U);
  EXPECT_TRUE(running.get().ok());
}

TEST_F(Scheduling, InstancesLimitTheRunsAtOnce) {
  settings_.threads = 4;
  config_.instances = 2;
  config_.max_batch_rows = 1;
  Make();
  std::vector<Answer> answers;
  for (int i = 0; i < 6; ++i) answers.push_back(Ask({static_cast<float>(i)}));
  gate_.WaitForRuns(2);
  EXPECT_EQ(gate_.rows().size(), 2U);
  gate_.Let(1);
  gate_.WaitForRuns(3);
  EXPECT_EQ(gate_.rows().size(), 3U);
  gate_.Let(5);
  for (Answer& answer : answers) EXPECT_TRUE(answer.get().ok());
}

TEST_F(Scheduling, ARunOnTheCallersThreadCountsAsAnInstance) {
  settings_.threads = 2;
  settings_.inline_run_us = 1'000'000;
  config_.instances = 1;
  Make();
  Answer first;
  std::thread caller([&] { first = Ask({1}); });
  gate_.WaitForRuns(1);
  Answer second = Ask({2});  // waits, though the pool has threads
  EXPECT_EQ(gate_.rows().size(), 1U);
  gate_.Let(1);
  caller.join();
  gate_.WaitForRuns(2);  // the slot was handed on
  gate_.Let(1);
  EXPECT_TRUE(first.get().ok());
  EXPECT_TRUE(second.get().ok());
}

TEST_F(Scheduling, ADelayGathersABatchAndEndsByItself) {
  settings_.threads = 2;
  config_.max_queue_delay_us = 60'000'000;
  config_.preferred_batch_rows = {3};
  Make();
  gate_.Let(100);
  std::vector<Answer> answers;
  for (int i = 0; i < 3; ++i) answers.push_back(Ask({static_cast<float>(i)}));
  for (Answer& answer : answers) EXPECT_TRUE(answer.get().ok());
  EXPECT_EQ(gate_.rows(), (std::vector<int64_t>{3})) << "the size was there: no minute of waiting";
  config_.max_queue_delay_us = 1000;
  model_.reset();
  pool_.reset();
  Make();
  EXPECT_TRUE(Ask({1}).get().ok()) << "nobody came: it runs alone when the delay is over";
}

TEST_F(Scheduling, StopRunsWhatWaitsForCompany) {
  config_.max_queue_delay_us = 60'000'000;
  Make();
  gate_.Let(1);
  Answer answer = Ask({1});
  pool_->Stop();
  EXPECT_TRUE(answer.get().ok());
}

TEST_F(Scheduling, ARequestThatWouldMissItsDeadlineIsRefusedAtOnce) {
  config_.max_batch_rows = 1;
  Make();
  // Two runs of 20 ms and more teach the model's pace.
  for (int i = 0; i < 2; ++i) {
    Answer slow = Ask({0});
    gate_.WaitForRuns(static_cast<size_t>(i) + 1);
    const int64_t until_ns = base::MonotonicNanos() + 20'000'000;
    while (base::MonotonicNanos() < until_ns) std::this_thread::yield();
    gate_.Let(1);
    EXPECT_TRUE(slow.get().ok());
  }
  std::vector<Answer> accepted;
  accepted.push_back(Ask({1}));
  gate_.WaitForRuns(3);
  for (int i = 0; i < 8; ++i) accepted.push_back(Ask({2}));
  const auto refused = Ask({3}, {.deadline_ns = base::MonotonicNanos() + 2'000'000}).get();
  EXPECT_EQ(refused.status().code(), Code::kResourceExhausted);
  EXPECT_EQ(refused.status().reason(), "overloaded");
  EXPECT_NE(refused.status().message().find("; retry in 1 s"), std::string::npos);
  gate_.Let(9);
  for (Answer& answer : accepted) EXPECT_TRUE(answer.get().ok());
  EXPECT_EQ(gate_.rows().size(), 11U) << "the refused one never ran";
}

TEST_F(Scheduling, AQueueInTimeIsLimitedToo) {
  settings_.max_queue_ms = 1;
  config_.max_batch_rows = 1;
  Make();
  Answer slow = Ask({0});
  gate_.WaitForRuns(1);
  const int64_t until_ns = base::MonotonicNanos() + 10'000'000;
  while (base::MonotonicNanos() < until_ns) std::this_thread::yield();
  gate_.Let(1);
  EXPECT_TRUE(slow.get().ok());
  Answer running = Ask({1});
  gate_.WaitForRuns(2);
  std::vector<Answer> rest;
  for (int i = 0; i < 15; ++i) rest.push_back(Ask({2}));
  gate_.Let(100);
  EXPECT_TRUE(running.get().ok());
  size_t refused = 0;
  for (Answer& answer : rest) {
    const auto response = answer.get();
    if (response.ok()) continue;
    EXPECT_EQ(response.status().reason(), "overloaded");
    ++refused;
  }
  EXPECT_GT(refused, 0U);
  EXPECT_LT(refused, 15U);
}

}  // namespace
}  // namespace slipway::inference
