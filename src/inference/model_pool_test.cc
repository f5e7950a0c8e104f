// SPDX-License-Identifier: Apache-2.0
#include "inference/model_pool.h"

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
#include "inference/runtime.h"
#include "inference/tensor.h"
#include "inference/testing.h"

namespace slipway::inference {
namespace {

using base::Code;

// A model whose runs can be held back, and which remembers the rows of each run since it was armed.
class Gate {
 public:
  base::Result<Response> Pass(const Request& request) {
    std::unique_lock lock(mutex_);
    if (armed_) {
      rows_.push_back(request.inputs[0].tensor.rows());
      change_.notify_all();
      change_.wait(lock, [&] { return open_; });
    }
    lock.unlock();
    return answer_(request);
  }
  void Arm() { Set(armed_, true); }
  void Open() { Set(open_, true); }
  void WaitForRuns(size_t count) {
    std::unique_lock lock(mutex_);
    change_.wait(lock, [&] { return rows_.size() >= count; });
  }
  std::vector<int64_t> rows() {
    std::lock_guard lock(mutex_);
    return rows_;
  }
  std::function<base::Result<Response>(const Request&)> answer_ = TimesTen;

 private:
  void Set(bool& flag, bool value) {
    std::lock_guard lock(mutex_);
    flag = value;
    change_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable change_;
  bool armed_ = false, open_ = false;
  std::vector<int64_t> rows_;
};

using Answer = std::future<base::Result<Response>>;

class Pool : public testing::Test {
 protected:
  // One thread, nothing inline: the order of things is the test's.
  PoolSettings settings_ = [] {
    PoolSettings settings;
    settings.threads = 1;
    settings.inline_run_us = 0;
    settings.max_batch_rows = 4;
    settings.max_queue_rows = 10;
    return settings;
  }();

  void TearDown() override { gate_.Open(); }

  std::shared_ptr<LoadedModel> Make(ModelDescription description = OneNumberModel()) {
    description_ = std::move(description);
    std::vector<std::unique_ptr<Runtime>> runtimes;
    runtimes.push_back(std::make_unique<FakeRuntime>(
        [this](const std::string& path) -> base::Result<std::unique_ptr<Session>> {
          ++loads_;
          if (path == "bad") return base::InvalidArgument("model", "not one", "bad_model");
          return std::unique_ptr<Session>(std::make_unique<FakeSession>(
              description_, [this](const Request& request) { return gate_.Pass(request); },
              elsewhere_));
        }));
    pool_ = std::make_unique<ModelPool>(settings_, std::move(runtimes), metrics_, probe_);
    auto model = pool_->Load({"m/1", "fake", "good", {}});
    EXPECT_TRUE(model.ok()) << model.status().ToString();
    gate_.Arm();
    return *model;
  }

  static Answer Ask(LoadedModel& model, Request request, int64_t deadline_ns = 0) {
    auto promise = std::make_shared<std::promise<base::Result<Response>>>();
    Answer answer = promise->get_future();
    model.Run(std::move(request), {.deadline_ns = deadline_ns},
              [promise](base::Result<Response> response, RunTiming) {
                promise->set_value(std::move(response));
              });
    return answer;
  }

  static std::vector<double> Numbers(Answer& answer) {
    auto response = answer.get();
    if (!response.ok()) {
      ADD_FAILURE() << response.status().ToString();
      return {};
    }
    std::vector<double> numbers;
    const Tensor& tensor = response->outputs[0].tensor;
    numbers.reserve(tensor.element_count());
    for (int64_t i = 0; i < tensor.element_count(); ++i) numbers.push_back(tensor.NumberAt(i));
    return numbers;
  }

  // A run that the gate holds back, so that what is asked next waits.
  void HoldARun(LoadedModel& model) {
    held_.push_back(Ask(model, OneNumber({1})));
    gate_.WaitForRuns(1);
  }

  Gate gate_;
  std::vector<Answer> held_;
  ModelDescription description_;
  Prober probe_;
  std::atomic<int> loads_{0};
  int64_t elsewhere_ = 0;
  base::Metrics metrics_;
  std::unique_ptr<ModelPool> pool_;
};

TEST_F(Pool, TakesAllThatWaitsAsOneBatch) {
  auto model = Make();
  Answer first = Ask(*model, OneNumber({1}));
  gate_.WaitForRuns(1);
  Answer second = Ask(*model, OneNumber({2}));
  Answer third = Ask(*model, OneNumber({3, 4}));
  gate_.Open();
  EXPECT_EQ(Numbers(first), (std::vector<double>{10}));
  EXPECT_EQ(Numbers(second), (std::vector<double>{20}));
  EXPECT_EQ(Numbers(third), (std::vector<double>{30, 40}));
  EXPECT_EQ(gate_.rows(), (std::vector<int64_t>{1, 3}));
}

TEST_F(Pool, ABatchNeverExceedsItsLimit) {
  auto model = Make();
  HoldARun(*model);
  std::vector<Answer> rest;
  rest.reserve(3);
  rest.reserve(3);
  for (int i = 0; i < 3; ++i) rest.push_back(Ask(*model, OneNumber({1, 2, 3})));
  gate_.Open();
  for (Answer& answer : rest) EXPECT_EQ(Numbers(answer), (std::vector<double>{10, 20, 30}));
  EXPECT_EQ(gate_.rows(), (std::vector<int64_t>{1, 3, 3, 3}));
}

TEST_F(Pool, ALargeRequestIsSplitAndJoined) {
  auto model = Make();
  gate_.Open();
  Answer answer = Ask(*model, OneNumber({1, 2, 3, 4, 5, 6, 7, 8, 9}));
  EXPECT_EQ(Numbers(answer), (std::vector<double>{10, 20, 30, 40, 50, 60, 70, 80, 90}));
  EXPECT_EQ(gate_.rows(), (std::vector<int64_t>{4, 4, 1}));
}

TEST_F(Pool, OneFailingPieceFailsItsWholeRequestOnce) {
  auto model = Make();
  gate_.answer_ = [](const Request& request) -> base::Result<Response> {
    if (request.inputs[0].tensor.rows() == 1) return base::Internal("run_failed", "no");
    return TimesTen(request);
  };
  gate_.Open();
  EXPECT_EQ(Ask(*model, OneNumber({1, 2, 3, 4, 5})).get().status().reason(), "run_failed");
}

TEST_F(Pool, AFullQueueRefusesAtOnce) {
  auto model = Make();
  Answer running = Ask(*model, OneNumber({1}));
  gate_.WaitForRuns(1);
  Answer waiting = Ask(*model, OneNumber({1, 2, 3, 4, 5, 6, 7, 8, 9, 10}));
  const auto refused = Ask(*model, OneNumber({1})).get();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().code(), Code::kResourceExhausted);
  EXPECT_EQ(refused.status().reason(), "queue_full");
  gate_.Open();
  EXPECT_EQ(Numbers(waiting).size(), 10U);
  EXPECT_EQ(Numbers(running).size(), 1U);
  Answer after = Ask(*model, OneNumber({5}));
  EXPECT_EQ(Numbers(after), (std::vector<double>{50}));
}

TEST_F(Pool, ARequestLargerThanTheQueueIsTheCallersFault) {
  auto model = Make();
  const auto refused = Ask(*model, OneNumber(std::vector<float>(11, 1))).get();
  EXPECT_EQ(refused.status().code(), Code::kInvalidArgument);
  EXPECT_EQ(refused.status().reason(), "too_many_rows");
}

TEST_F(Pool, PastItsDeadlineARequestIsNotRun) {
  auto model = Make();
  EXPECT_EQ(Ask(*model, OneNumber({1}), 1).get().status().code(), Code::kDeadlineExceeded);
  HoldARun(*model);
  const int64_t soon = base::MonotonicNanos() + 1'000'000;
  Answer late = Ask(*model, OneNumber({2}), soon);
  Answer patient = Ask(*model, OneNumber({3}));
  while (base::MonotonicNanos() < soon) std::this_thread::yield();
  gate_.Open();
  EXPECT_EQ(late.get().status().reason(), "deadline_exceeded");
  EXPECT_EQ(Numbers(patient), (std::vector<double>{30}));
  EXPECT_EQ(gate_.rows(), (std::vector<int64_t>{1, 1}));
}

TEST_F(Pool, OneBadRequestDoesNotFailItsNeighbours) {
  auto model = Make();
  gate_.answer_ = [](const Request& request) -> base::Result<Response> {
    for (const float value : request.inputs[0].tensor.As<float>()) {
      if (value < 0) return base::InvalidArgument("inputs[0].data", "negative", "run_failed");
    }
    return TimesTen(request);
  };
  HoldARun(*model);
  Answer good = Ask(*model, OneNumber({2}));
  Answer bad = Ask(*model, OneNumber({-1}));
  gate_.Open();
  EXPECT_EQ(Numbers(good), (std::vector<double>{20}));
  EXPECT_EQ(bad.get().status().field(), "inputs[0].data");
}

TEST_F(Pool, WhatDoesNotFitTheModelIsRefusedWithoutWaiting) {
  auto model = Make();
  HoldARun(*model);
  Request wrong = OneNumber({1});
  wrong.inputs[0].name = "z";
  EXPECT_EQ(Ask(*model, wrong).get().status().field(), "inputs[0].name");
}

TEST_F(Pool, RequestsForOtherOutputsAreNotStacked) {
  auto model = Make();
  HoldARun(*model);
  Request named = OneNumber({3});
  named.outputs = {"y"};
  Answer a = Ask(*model, OneNumber({2}));
  Answer b = Ask(*model, named);
  gate_.Open();
  EXPECT_EQ(Numbers(a), (std::vector<double>{20}));
  EXPECT_EQ(Numbers(b), (std::vector<double>{30}));
  EXPECT_EQ(gate_.rows(), (std::vector<int64_t>{1, 1, 1}));
}

TEST_F(Pool, AModelThatIsNotBatchableRunsOneByOne) {
  ModelDescription description = OneNumberModel();
  description.batchable = false;
  auto model = Make(description);
  HoldARun(*model);
  Answer large = Ask(*model, OneNumber({1, 2, 3, 4, 5}));
  Answer small = Ask(*model, OneNumber({6}));
  gate_.Open();
  EXPECT_EQ(Numbers(large).size(), 5U);
  EXPECT_EQ(Numbers(small), (std::vector<double>{60}));
  EXPECT_EQ(gate_.rows(), (std::vector<int64_t>{1, 5, 1}));
}

TEST_F(Pool, AModelWhoseOutputsDoNotFollowItsRowsIsNoLongerStacked) {
  auto model = Make();
  gate_.answer_ = [](const Request&) -> base::Result<Response> {
    return Response{{{"y", Tensor::Of<float>({1, 1}, {7})}}};
  };
  HoldARun(*model);
  Answer a = Ask(*model, OneNumber({2}));
  Answer b = Ask(*model, OneNumber({3}));
  gate_.Open();
  EXPECT_EQ(Numbers(a), (std::vector<double>{7}));
  EXPECT_EQ(Numbers(b), (std::vector<double>{7}));
  EXPECT_EQ(gate_.rows(), (std::vector<int64_t>{1, 2, 1, 1}));
}

TEST_F(Pool, AModelThatMixesItsRowsIsNeverStacked) {
  gate_.answer_ = [](const Request& request) -> base::Result<Response> {
    float sum = 0;
    for (const float value : request.inputs[0].tensor.As<float>()) sum += value;
    const auto rows = static_cast<size_t>(request.inputs[0].tensor.rows());
    return Response{
        {{"y", Tensor::Of<float>({static_cast<int64_t>(rows), 1}, std::vector<float>(rows, sum))}}};
  };
  auto model = Make();
  HoldARun(*model);
  Answer a = Ask(*model, OneNumber({2}));
  Answer b = Ask(*model, OneNumber({3}));
  gate_.Open();
  EXPECT_EQ(Numbers(a), (std::vector<double>{2}));
  EXPECT_EQ(Numbers(b), (std::vector<double>{3}));
  EXPECT_EQ(gate_.rows(), (std::vector<int64_t>{1, 1, 1}));
}

TEST_F(Pool, ACheapIdleModelRunsOnTheCallersThread) {
  settings_.inline_run_us = 1'000'000;
  auto model = Make();
  gate_.Open();
  std::thread::id ran_on;
  model->Run(OneNumber({1}), {}, [&](const base::Result<Response>& response, RunTiming timing) {
    EXPECT_TRUE(response.ok());
    EXPECT_EQ(timing.queue_ns, 0);
    ran_on = std::this_thread::get_id();
  });
  EXPECT_EQ(ran_on, std::this_thread::get_id());
}

TEST_F(Pool, AnUnloadedModelFinishesWhatIsInFlight) {
  auto model = Make();
  Answer running = Ask(*model, OneNumber({1}));
  gate_.WaitForRuns(1);
  Answer waiting = Ask(*model, OneNumber({2}));
  model.reset();
  pool_->Unload("m/1");
  EXPECT_EQ(pool_->Find("m/1"), nullptr);
  EXPECT_TRUE(pool_->Loaded().empty());
  gate_.Open();
  EXPECT_EQ(Numbers(running), (std::vector<double>{10}));
  EXPECT_EQ(Numbers(waiting), (std::vector<double>{20}));
}

TEST_F(Pool, StopRunsWhatWaitsAndThenRefuses) {
  auto model = Make();
  HoldARun(*model);
  Answer waiting = Ask(*model, OneNumber({2}));
  gate_.Open();
  pool_->Stop();
  EXPECT_EQ(Numbers(waiting), (std::vector<double>{20}));
  EXPECT_EQ(Ask(*model, OneNumber({3})).get().status().code(), Code::kUnavailable);
  EXPECT_EQ(pool_->Load({"m/2", "fake", "good", {}}).status().reason(), "pool_stopped");
}

TEST_F(Pool, TheSameKeyIsLoadedOnce) {
  auto model = Make();
  gate_.Open();
  EXPECT_EQ(*pool_->Load({"m/1", "fake", "good", {}}), model);
  EXPECT_EQ(pool_->Find("m/1"), model);
  std::vector<std::thread> threads;
  threads.reserve(8);
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] { EXPECT_TRUE(pool_->Load({"m/2", "fake", "good", {}}).ok()); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(loads_, 2);
  EXPECT_EQ(pool_->Loaded(), (std::vector<std::string>{"m/1", "m/2"}));
  EXPECT_NE(metrics_.PrintPrometheusText().find("slipway_inference_models_loaded 2"),
            std::string::npos);
}

TEST_F(Pool, AFailedLoadCanBeTriedAgain) {
  Make();
  gate_.Open();
  EXPECT_EQ(pool_->Load({"m/2", "fake", "bad", {}}).status().reason(), "bad_model");
  EXPECT_TRUE(pool_->Load({"m/2", "fake", "good", {}}).ok());
  EXPECT_EQ(pool_->Load({"m/3", "tea", "good", {}}).status().field(), "runtime");
}

TEST_F(Pool, ARefusalByTheProbeComesBeforeTheModelIsOpened) {
  probe_ = [](const ModelSource& source, const Runtime&) {
    return source.key == "m/1" ? base::Status::Ok()
                               : base::InvalidArgument("model", "crashed", "probe_failed");
  };
  Make();
  const int before = loads_;
  EXPECT_EQ(pool_->Load({"m/2", "fake", "good", {}}).status().reason(), "probe_failed");
  EXPECT_EQ(loads_, before);
}

TEST_F(Pool, ARecordedInputThatFailsRefusesTheModel) {
  Make();
  gate_.Open();
  gate_.answer_ = [](const Request&) -> base::Result<Response> {
    return base::Internal("run_failed", "no");
  };
  const auto loaded = pool_->Load({"m/2", "fake", "good", {OneNumber({1})}});
  EXPECT_EQ(loaded.status().reason(), "warmup_failed");
}

TEST_F(Pool, CountsRunsAndRows) {
  auto model = Make();
  gate_.Open();
  Answer answer = Ask(*model, OneNumber({1, 2, 3}));
  Numbers(answer);
  const std::string text = metrics_.PrintPrometheusText();
  for (const char* line : {"slipway_inference_batch_rows_sum{model=\"m/1\"} 3",
                           "slipway_inference_run_seconds_count{model=\"m/1\"} 1",
                           "slipway_inference_queue_seconds_count{model=\"m/1\"} 1"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << "\n" << text;
  }
}

TEST_F(Pool, EveryRequestIsAnsweredOnceUnderLoadFromManyThreads) {
  settings_.threads = 3;
  settings_.inline_run_us = 5;
  settings_.max_queue_rows = 100'000;
  auto model = Make();
  gate_.Open();
  constexpr int kThreads = 4, kRequests = 500;
  std::atomic<int> right{0};
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kRequests; ++i) {
        const auto value = static_cast<float>(t * kRequests + i);
        model->Run(OneNumber(std::vector<float>(static_cast<size_t>(1 + i % 6), value)), {},
                   [&, value](base::Result<Response> response, RunTiming) {
                     if (response.ok() && response->outputs[0].tensor.NumberAt(0) ==
                                              10.0 * static_cast<double>(value)) {
                       ++right;
                     }
                   });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  pool_->Stop();
  EXPECT_EQ(right, kThreads * kRequests);
}

TEST_F(Pool, StatisticsTellRequestsRowsRunsAndFailuresApart) {
  auto model = Make();
  HoldARun(*model);
  Answer one = Ask(*model, OneNumber({1}));
  Answer two = Ask(*model, OneNumber({2, 3}));
  Answer wrong = Ask(*model, OneNumber({1}), 1);  // its deadline is long past
  EXPECT_FALSE(wrong.get().ok());
  gate_.Open();
  for (Answer* answer : {&held_.front(), &one, &two}) EXPECT_TRUE(answer->get().ok());
  pool_->Stop();
  const ModelStatistics counts = model->Statistics();
  EXPECT_EQ(counts.success.count, 3);
  EXPECT_EQ(counts.inference_count, 4);
  EXPECT_EQ(counts.execution_count, 2);
  EXPECT_EQ(counts.run.count, 3);
  EXPECT_GT(counts.last_run_ms, 0);
  ASSERT_EQ(counts.batches.size(), 2);
  EXPECT_EQ(counts.batches[0].rows, 1);
  EXPECT_EQ(counts.batches[1].rows, 3);
  EXPECT_EQ(counts.batches[1].run.count, 1);
}

TEST_F(Pool, AModelThatRunsElsewhereHasItsOwnThreads) {
  elsewhere_ = 2;
  settings_.inline_run_us = 1'000'000;  // else runs as cheap as these would be done by their caller
  auto model = Make();
  Answer first = Ask(*model, OneNumber({1}));
  gate_.WaitForRuns(1);
  Answer second = Ask(*model, OneNumber({2}));
  gate_.WaitForRuns(2);  // both under way, though the pool has one thread
  Answer third = Ask(*model, OneNumber({3}));
  EXPECT_EQ(gate_.rows().size(), 2U);
  gate_.Open();
  EXPECT_EQ(Numbers(first), (std::vector<double>{10}));
  EXPECT_EQ(Numbers(second), (std::vector<double>{20}));
  EXPECT_EQ(Numbers(third), (std::vector<double>{30}));
}

TEST_F(Pool, AModelThatRunsElsewhereMayGoAwayOnItsOwnThread) {
  elsewhere_ = 1;
  auto model = Make();
  std::promise<void> go;
  std::promise<void> answered;
  model->Run(OneNumber({1}), {}, [&](const base::Result<Response>&, RunTiming) {
    go.get_future().wait();
    answered.set_value();
  });
  gate_.Open();
  pool_->Unload("m/1");
  model = nullptr;  // now only the run under way holds it
  go.set_value();
  answered.get_future().wait();
  pool_ = nullptr;
}

}  // namespace
}  // namespace slipway::inference
