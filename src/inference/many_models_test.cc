// SPDX-License-Identifier: Apache-2.0
// More models than memory: opened when asked, closed to make room; answers from the cache.
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/metrics.h"
#include "base/status.h"
#include "inference/model_pool.h"
#include "inference/testing.h"

namespace slipway::inference {
namespace {

using Answer = std::future<base::Result<Response>>;

// One MiB each, and whether it can be opened is the test's to say.
class MiB final : public Session {
 public:
  MiB(std::atomic<int>& open, std::atomic<int>& most, std::atomic<int>& runs)
      : open_(open), runs_(runs) {
    const int now = ++open_;
    for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
    }
  }
  ~MiB() override { --open_; }
  [[nodiscard]] const ModelDescription& description() const override { return description_; }
  base::Result<Response> Run(const Request& request) override {
    ++runs_;
    return TimesTen(request);
  }
  [[nodiscard]] int64_t memory_bytes() const override { return 1 << 20; }

 private:
  const ModelDescription description_ = OneNumberModel();
  std::atomic<int>& open_;
  std::atomic<int>& runs_;
};

class ManyModels : public testing::Test {
 protected:
  PoolSettings settings_;
  base::Metrics metrics_;
  std::atomic<int> open_{0}, most_open_{0}, loads_{0}, runs_{0};
  std::atomic<bool> broken_{false};
  std::unique_ptr<ModelPool> pool_;

  void Make() {
    std::vector<std::unique_ptr<Runtime>> runtimes;
    runtimes.push_back(std::make_unique<FakeRuntime>(
        [this](const std::string&) -> base::Result<std::unique_ptr<Session>> {
          ++loads_;
          if (broken_) return base::InvalidArgument("model", "not one", "bad_model");
          return std::unique_ptr<Session>(std::make_unique<MiB>(open_, most_open_, runs_));
        }));
    pool_ = std::make_unique<ModelPool>(settings_, std::move(runtimes), metrics_);
  }
  std::shared_ptr<LoadedModel> OnDemand(const std::string& key, bool pinned = false) {
    return pool_->LoadOnDemand(key, [key, pinned]() -> base::Result<ModelSource> {
      ModelSource source{key, "fake", key};
      source.config.pinned = pinned;
      return source;
    });
  }
  static Answer Ask(LoadedModel& model, float x) {
    auto promise = std::make_shared<std::promise<base::Result<Response>>>();
    Answer answer = promise->get_future();
    model.Run(OneNumber({x}), {}, [promise](base::Result<Response> response, RunTiming) {
      promise->set_value(std::move(response));
    });
    return answer;
  }
  static bool Right(LoadedModel& model, float x) {
    const auto response = Ask(model, x).get();
    return response.ok() && response->outputs[0].tensor.NumberAt(0) == 10.0 * x;
  }
};

TEST_F(ManyModels, AThousandModelsAreServedWithinABudgetOfTwenty) {
  settings_.memory_budget_mb = 20;
  Make();
  std::vector<std::shared_ptr<LoadedModel>> models;
  for (int i = 0; i < 1000; ++i) models.push_back(OnDemand("m/" + std::to_string(i)));
  EXPECT_EQ(loads_, 0) << "nothing is opened before it is asked";
  for (size_t i = 0; i < models.size(); ++i)
    ASSERT_TRUE(Right(*models[i], static_cast<float>(i))) << i;
  EXPECT_EQ(loads_, 1000);
  EXPECT_LE(pool_->Loaded().size(), 20U);
  EXPECT_TRUE(Right(*models[0], 3)) << "and opened again when it is asked again";
  EXPECT_EQ(loads_, 1001);
  EXPECT_EQ(models[0]->Statistics().success.count, 2U) << "its counts go on";
  models.clear();
  pool_.reset();
  EXPECT_EQ(open_, 0);
}

TEST_F(ManyModels, TheLeastRecentlyUsedGoesAndPinnedOnesStay) {
  settings_.memory_budget_mb = 3;
  Make();
  auto pinned = OnDemand("pinned", true);
  auto a = OnDemand("a");
  auto b = OnDemand("b");
  auto c = OnDemand("c");
  for (auto* one : {&pinned, &a, &b}) EXPECT_TRUE(Right(**one, 1));
  EXPECT_TRUE(Right(*a, 2));
  EXPECT_TRUE(Right(*c, 1));
  EXPECT_EQ(pool_->Loaded(), (std::vector<std::string>{"a", "c", "pinned"}));
  EXPECT_NE(metrics_.PrintPrometheusText().find("slipway_inference_models_evicted_total 1"),
            std::string::npos);
}

TEST_F(ManyModels, WhoComesWhileAModelOpensWaitsForIt) {
  Make();
  auto model = OnDemand("m");
  EXPECT_FALSE(model->described());
  std::vector<Answer> answers;
  for (int i = 0; i < 50; ++i) answers.push_back(Ask(*model, static_cast<float>(i)));
  for (Answer& answer : answers) EXPECT_TRUE(answer.get().ok());
  EXPECT_EQ(loads_, 1);
  EXPECT_TRUE(model->described());
  EXPECT_EQ(model->description().inputs[0].name, "x");
}

TEST_F(ManyModels, AModelThatCannotBeOpenedFailsItsRequestsAndIsNotTriedForEach) {
  Make();
  broken_ = true;
  auto model = OnDemand("m");
  EXPECT_EQ(Ask(*model, 1).get().status().reason(), "bad_model");
  EXPECT_EQ(Ask(*model, 1).get().status().reason(), "bad_model");
  EXPECT_EQ(loads_, 1);
}

TEST_F(ManyModels, LoadWithinABudgetOpensAtOnceAndTellsWhyNot) {
  settings_.memory_budget_mb = 1;
  Make();
  broken_ = true;
  EXPECT_EQ(pool_->Load({"a", "fake", "a"}).status().reason(), "bad_model");
  EXPECT_EQ(pool_->Find("a"), nullptr);
  broken_ = false;
  auto a = pool_->Load({"a", "fake", "a"});
  ASSERT_TRUE(a.ok());
  EXPECT_EQ((*a)->description().inputs[0].name, "x");
  ASSERT_TRUE(pool_->Load({"b", "fake", "b"}).ok());
  EXPECT_EQ(pool_->Loaded(), std::vector<std::string>{"b"});
  EXPECT_TRUE(Right(**a, 4)) << "its holders need not know";
}

TEST_F(ManyModels, RequestsSucceedWhileModelsComeAndGo) {
  settings_.memory_budget_mb = 3;
  Make();
  std::vector<std::shared_ptr<LoadedModel>> models;
  for (int i = 0; i < 8; ++i) models.push_back(OnDemand("m/" + std::to_string(i)));
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = 0; i < 100; ++i) {
        if (!Right(*models[(i * 3 + t) % models.size()], static_cast<float>(i))) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(ManyModels, TheBudgetHoldsWhileSeveralOpenAtOnce) {
  settings_.memory_budget_mb = 3;
  Make();
  std::vector<std::shared_ptr<LoadedModel>> models;
  for (int i = 0; i < 12; ++i) models.push_back(OnDemand("m/" + std::to_string(i)));
  for (const auto& model : models) EXPECT_TRUE(Right(*model, 1));  // their sizes are known by now
  most_open_ = 0;
  for (int round = 0; round < 5; ++round) {
    std::vector<Answer> answers;
    for (const auto& model : models) answers.push_back(Ask(*model, 1));
    for (Answer& answer : answers) EXPECT_TRUE(answer.get().ok());
  }
  EXPECT_LE(most_open_, 3);
  EXPECT_EQ(open_, 3);
}

// What a file of this size was taken for was too little: others go once it is open.
TEST_F(ManyModels, AModelThatIsLargerThanItsFileSaidMakesRoomOnceItIsOpen) {
  settings_.memory_budget_mb = 2;
  Make();
  std::vector<std::shared_ptr<LoadedModel>> models;
  for (int i = 0; i < 3; ++i) {
    models.push_back(OnDemand("m/" + std::to_string(i)));
    EXPECT_TRUE(Right(*models.back(), 1));
  }
  EXPECT_EQ(pool_->Loaded(), (std::vector<std::string>{"m/1", "m/2"}));
}

TEST_F(ManyModels, AReplacedModelAnswersAndTheFormerGoes) {
  Make();
  auto former = *pool_->Load({"m", "fake", "m"});
  auto next = pool_->Replace({"m", "fake", "m"});
  ASSERT_TRUE(next.ok());
  EXPECT_NE(former, *next);
  EXPECT_EQ(pool_->Find("m"), *next);
  EXPECT_TRUE(Right(*former, 2)) << "its holders need not know";
  EXPECT_TRUE(Right(**next, 3));
  EXPECT_EQ(pool_->Loaded(), std::vector<std::string>{"m"});
}

TEST_F(ManyModels, EqualInputsAreAnsweredFromTheCacheWhenTheModelAsksForIt) {
  settings_.response_cache_mb = 1;
  Make();
  ModelSource source{"m", "fake", "m"};
  source.config.response_cache = true;
  auto model = *pool_->Load(source);
  const int before = runs_;
  EXPECT_TRUE(Right(*model, 3));
  bool cached = false;
  model->Run(OneNumber({3}), {}, [&](const base::Result<Response>& response, RunTiming timing) {
    cached = timing.cached && response.ok() && response->outputs[0].tensor.NumberAt(0) == 30;
  });
  EXPECT_TRUE(cached);
  EXPECT_EQ(runs_, before + 1);
  EXPECT_TRUE(Right(*model, 4));
  EXPECT_EQ(runs_, before + 2);
  const ModelStatistics counts = model->Statistics();
  EXPECT_EQ(counts.cache_hit.count, 1U);
  EXPECT_EQ(counts.cache_miss.count, 2U);
  EXPECT_EQ(counts.success.count, 3U);
  EXPECT_EQ(counts.inference_count, 2U);
  auto plain = *pool_->Load({"n", "fake", "n"});
  const int plain_before = runs_;
  EXPECT_TRUE(Right(*plain, 3));
  EXPECT_TRUE(Right(*plain, 3));
  EXPECT_EQ(runs_, plain_before + 2);
}

TEST_F(ManyModels, SomeRecentRequestsAreKept) {
  settings_.recent_requests = 2;
  Make();
  auto model = *pool_->Load({"m", "fake", "m"});
  EXPECT_TRUE(Right(*model, 1));
  EXPECT_TRUE(Right(*model, 2));
  EXPECT_TRUE(Right(*model, 3));
  const std::vector<Request> recent = model->Recent();
  ASSERT_EQ(recent.size(), 2U);
  EXPECT_EQ(recent[0].inputs[0].tensor.NumberAt(0), 2);
}

}  // namespace
}  // namespace slipway::inference
