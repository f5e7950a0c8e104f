// SPDX-License-Identifier: Apache-2.0
// Stateful models, as their callers see them.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <future>
#include <memory>
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

using base::Code;
using Answer = std::future<base::Result<Response>>;

// y = x + the sum so far; START sets the sum to 0.
ModelDescription Accumulator() {
  ModelDescription model;
  model.inputs = {{"x", DataType::kFp32, {-1, 1}},
                  {"START", DataType::kFp32, {-1, 1}},
                  {"ID", DataType::kInt64, {-1, 1}},
                  {"sum", DataType::kFp32, {-1, 1}}};
  model.outputs = {{"y", DataType::kFp32, {-1, 1}}, {"sum_out", DataType::kFp32, {-1, 1}}};
  model.batchable = true;
  return model;
}

const Tensor& Input(const Request& request, const std::string& name) {
  for (const NamedTensor& input : request.inputs) {
    if (input.name == name) return input.tensor;
  }
  ADD_FAILURE() << "no input " << name;
  return request.inputs.front().tensor;
}

base::Result<Response> Accumulate(const Request& request) {
  const Tensor& x = Input(request, "x");
  std::vector<float> sums;
  for (int64_t i = 0; i < x.rows(); ++i) {
    if (x.NumberAt(i) < 0) return base::Internal("run_failed", "negative");
    const double before =
        Input(request, "START").NumberAt(i) != 0 ? 0 : Input(request, "sum").NumberAt(i);
    sums.push_back(static_cast<float>(before + x.NumberAt(i)));
  }
  return Response{
      {{"y", Tensor::Of<float>(x.shape(), sums)}, {"sum_out", Tensor::Of<float>(x.shape(), sums)}}};
}

class Stateful : public testing::Test {
 protected:
  PoolSettings settings_ = [] {
    PoolSettings settings;
    settings.threads = 2;
    settings.inline_run_us = 0;
    return settings;
  }();
  ModelConfig config_ = [] {
    ModelConfig config;
    config.sequence.emplace();
    config.sequence->controls = {{"start", "START", DataType::kFp32, 0, 1},
                                 {"id", "ID", DataType::kInt64, 0, 0}};
    config.sequence->states = {{"sum", "sum_out", DataType::kFp32, {1}}};
    return config;
  }();
  base::Metrics metrics_;
  std::atomic<int64_t> most_rows_{0};
  std::unique_ptr<ModelPool> pool_;
  std::shared_ptr<LoadedModel> model_;

  base::Status Make() {
    std::vector<std::unique_ptr<Runtime>> runtimes;
    runtimes.push_back(std::make_unique<FakeRuntime>(
        [this](const std::string&) -> base::Result<std::unique_ptr<Session>> {
          return std::unique_ptr<Session>(
              std::make_unique<FakeSession>(Accumulator(), [this](const Request& request) {
                const int64_t rows = request.inputs[0].tensor.rows();
                if (rows > most_rows_) most_rows_ = rows;
                return Accumulate(request);
              }));
        }));
    pool_ = std::make_unique<ModelPool>(settings_, std::move(runtimes), metrics_);
    ModelSource source{"m/1", "fake", "good"};
    source.config = config_;
    auto model = pool_->Load(source);
    if (!model.ok()) return model.status();
    model_ = *model;
    most_rows_ = 0;
    return base::Status::Ok();
  }
  Answer Send(const std::string& id, float x, bool start = false, bool end = false) {
    Request request = OneNumber({x});
    if (!id.empty()) request.sequence = SequencePlace{id, start, end};
    auto promise = std::make_shared<std::promise<base::Result<Response>>>();
    Answer answer = promise->get_future();
    model_->Run(std::move(request), {}, [promise](base::Result<Response> response, RunTiming) {
      promise->set_value(std::move(response));
    });
    return answer;
  }
  static double Sum(Answer answer) {
    auto response = answer.get();
    if (!response.ok()) {
      ADD_FAILURE() << response.status().ToString();
      return -1;
    }
    EXPECT_EQ(response->outputs.size(), 1U) << "the state is not shown";
    return response->outputs[0].tensor.NumberAt(0);
  }
};

TEST_F(Stateful, KeepsTheStateOfEachSequence) {
  ASSERT_TRUE(Make().ok());
  EXPECT_EQ(Sum(Send("1", 1, true)), 1);
  EXPECT_EQ(Sum(Send("2", 10, true)), 10);
  EXPECT_EQ(Sum(Send("1", 2)), 3);
  EXPECT_EQ(Sum(Send("2", 20)), 30);
  EXPECT_EQ(Sum(Send("1", 3, false, true)), 6);
  EXPECT_EQ(Sum(Send("1", 5, true)), 5) << "a new start begins at nothing";
}

TEST_F(Stateful, CallersNeitherSeeNorSendWhatTheSchedulerFillsIn) {
  ASSERT_TRUE(Make().ok());
  ASSERT_EQ(model_->description().inputs.size(), 1U);
  EXPECT_EQ(model_->description().inputs[0].name, "x");
  ASSERT_EQ(model_->description().outputs.size(), 1U);
  EXPECT_EQ(model_->description().outputs[0].name, "y");
}

TEST_F(Stateful, AnUnknownSequenceNeedsAStart) {
  ASSERT_TRUE(Make().ok());
  const auto unknown = Send("7", 1).get();
  EXPECT_EQ(unknown.status().code(), Code::kInvalidArgument);
  EXPECT_EQ(unknown.status().field(), "sequence_start");
  EXPECT_EQ(Sum(Send("7", 1, true, true)), 1);
  EXPECT_EQ(Send("7", 1).get().status().reason(), "unknown_sequence") << "it has ended";
  EXPECT_EQ(Send("", 1).get().status().field(), "sequence_id");
  EXPECT_EQ(Send("0", 1, true).get().status().field(), "sequence_id");
  EXPECT_EQ(Send("name", 1, true).get().status().field(), "sequence_id") << "ID is a number";
}

TEST_F(Stateful, RequestsOfOneSequenceRunInOrderWhoeverIsFree) {
  ASSERT_TRUE(Make().ok());
  std::vector<Answer> answers;
  answers.push_back(Send("1", 1, true));
  for (int i = 0; i < 100; ++i) answers.push_back(Send("1", 1));
  for (size_t i = 0; i < answers.size(); ++i)
    EXPECT_EQ(Sum(std::move(answers[i])), static_cast<double>(i + 1));
}

TEST_F(Stateful, ManySequencesAtOnceShareBatchesAndKeepTheirStates) {
  ASSERT_TRUE(Make().ok());
  constexpr int kSequences = 40, kSteps = 20;
  std::vector<std::vector<Answer>> answers(kSequences);
  for (int step = 0; step < kSteps; ++step) {
    for (int s = 0; s < kSequences; ++s) {
      answers[static_cast<size_t>(s)].push_back(
          Send(std::to_string(s + 1), static_cast<float>(s + 1), step == 0, step == kSteps - 1));
    }
  }
  for (int s = 0; s < kSequences; ++s) {
    for (int step = 0; step < kSteps; ++step) {
      EXPECT_EQ(Sum(std::move(answers[static_cast<size_t>(s)][static_cast<size_t>(step)])),
                static_cast<double>((s + 1) * (step + 1)));
    }
  }
  EXPECT_GT(most_rows_, 1);
}

TEST_F(Stateful, AStepThatFailsLeavesTheStateAsItWas) {
  ASSERT_TRUE(Make().ok());
  EXPECT_EQ(Sum(Send("1", 1, true)), 1);
  EXPECT_FALSE(Send("1", -1).get().ok());
  EXPECT_EQ(Sum(Send("1", 2)), 3);
  EXPECT_FALSE(Send("2", -1, true).get().ok());
  EXPECT_EQ(Send("2", 1).get().status().reason(), "unknown_sequence") << "it never began";
}

TEST_F(Stateful, OnlySoManySequencesAndSilentOnesAreForgotten) {
  config_.sequence->max_sequences = 2;
  ASSERT_TRUE(Make().ok());
  EXPECT_EQ(Sum(Send("1", 1, true)), 1);
  EXPECT_EQ(Sum(Send("2", 1, true)), 1);
  EXPECT_EQ(Send("3", 1, true).get().status().reason(), "too_many_sequences");
  config_.sequence->max_idle_us = 1;
  pool_.reset();
  ASSERT_TRUE(Make().ok());
  for (const char* id : {"1", "2", "3", "4"}) EXPECT_EQ(Sum(Send(id, 1, true)), 1);
  EXPECT_EQ(Send("4", 1).get().status().reason(), "unknown_sequence") << "a microsecond has passed";
}

TEST_F(Stateful, AConfigThatDoesNotFitTheModelIsRefusedAtLoad) {
  config_.sequence->controls[0].input = "BEGIN";
  const base::Status status = Make();
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_EQ(status.field(), "config.sequence.controls");
}

}  // namespace
}  // namespace slipway::inference
