// SPDX-License-Identifier: Apache-2.0
// The pool over the real runtime.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/metrics.h"
#include "base/status.h"
#include "inference/model_pool.h"
#include "inference/runtime.h"
#include "inference/tensor.h"
#include "inference/testing.h"

namespace slipway::inference {
namespace {

class OnnxPool : public testing::Test {
 protected:
  std::shared_ptr<LoadedModel> Load(const std::string& name, const PoolSettings& settings,
                                    std::vector<Request> warmup = {}) {
    auto runtime = MakeOnnxRuntime({});
    EXPECT_TRUE(runtime.ok()) << runtime.status().ToString();
    std::vector<std::unique_ptr<Runtime>> runtimes;
    runtimes.push_back(std::move(*runtime));
    pool_ = std::make_unique<ModelPool>(settings, std::move(runtimes), metrics_);
    auto model = pool_->Load({name, "onnx", TestModel(name), std::move(warmup)});
    EXPECT_TRUE(model.ok()) << model.status().ToString();
    return *model;
  }

  // Many callers at once; each sees the answer to its own rows.
  void ExpectRightAnswers(LoadedModel& model, const std::function<double(double)>& expected) {
    constexpr int kThreads = 4, kRequests = 400;
    std::atomic<int> right{0};
    std::vector<std::thread> threads;
    threads.reserve(kThreads);
    threads.reserve(kThreads);
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < kRequests; ++i) {
          const auto value = static_cast<float>(t * kRequests + i);
          model.Run(
              {{{"x", Tensor::Of<float>({1, 3}, {value, 0, 0})}}}, {},
              [&, value](base::Result<Response> response, RunTiming) {
                if (response.ok() && response->outputs[0].tensor.NumberAt(0) == expected(value))
                  ++right;
              });
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    pool_->Stop();
    EXPECT_EQ(right, kThreads * kRequests);
  }

  base::Metrics metrics_;
  std::unique_ptr<ModelPool> pool_;
};

TEST_F(OnnxPool, BatchedAnswersAreEachCallersOwn) {
  PoolSettings settings;
  settings.inline_run_us = 0;
  auto model = Load("linear", settings);
  ExpectRightAnswers(*model, [](double x) { return x + 0.5; });
}

TEST_F(OnnxPool, InlineAnswersAreEachCallersOwn) {
  auto model = Load("linear", {});
  ExpectRightAnswers(*model, [](double x) { return x + 0.5; });
}

TEST_F(OnnxPool, AModelThatMixesRowsIsFoundOutAtWarmUp) {
  PoolSettings settings;
  settings.inline_run_us = 0;
  auto model = Load("centred", settings);
  EXPECT_TRUE(model->description().batchable);  // as far as its shapes tell
  ExpectRightAnswers(*model, [](double) { return 0.0; });
}

TEST_F(OnnxPool, LargeRequestsOfStringsAndLabelsAreSplitAndJoined) {
  PoolSettings settings;
  settings.max_batch_rows = 2;
  settings.inline_run_us = 0;
  auto model = Load("classifier_string", settings);
  std::atomic<bool> seen{false};
  model->Run({{{"x", Tensor::Of<float>({5, 2}, {0, 0, 4, 0, 0, 8, 4, 1, 1, 8})}}}, {},
             [&](base::Result<Response> response, RunTiming) {
               ASSERT_TRUE(response.ok()) << response.status().ToString();
               EXPECT_EQ(response->outputs[0].tensor.strings(),
                         (std::vector<std::string>{"ash", "birch", "cedar", "birch", "cedar"}));
               EXPECT_EQ(response->outputs[1].tensor.shape(), (Shape{5, 3}));
               EXPECT_EQ(response->outputs[1].labels->strings()[2], "cedar");
               seen = true;
             });
  pool_->Stop();
  EXPECT_TRUE(seen);
}

}  // namespace
}  // namespace slipway::inference
