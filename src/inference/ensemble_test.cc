// SPDX-License-Identifier: Apache-2.0
#include "inference/ensemble.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "inference/testing.h"

namespace slipway::inference {
namespace {

using base::Code;
using base::Result;
using base::Status;

// Does what the test says; holds its runs back until Release when told to.
class Fake final : public LoadedModel {
 public:
  using Body = std::function<Result<Response>(const Request&)>;
  Fake(std::vector<TensorSpec> inputs, std::vector<TensorSpec> outputs, Body body)
      : body_(std::move(body)) {
    description_.inputs = std::move(inputs);
    description_.outputs = std::move(outputs);
  }
  [[nodiscard]] const ModelDescription& description() const override { return description_; }
  [[nodiscard]] const ModelConfig& config() const override { return config_of; }
  void Run(Request request, RunOptions options, RunDone done) override {
    seen.push_back(request);
    last_options = options;
    auto run = [this, request = std::move(request), done = std::move(done)] {
      done(body_(request), {3, 5});
    };
    if (hold) {
      held.push_back(std::move(run));
    } else {
      run();
    }
  }
  void RunStream(Request request, RunOptions options, RunPart part) override {
    Run(std::move(request), std::move(options),
        [part](Result<Response> response, RunTiming timing) {
          part(std::move(response), timing, true);
        });
  }
  [[nodiscard]] ModelStatistics Statistics() const override { return {}; }
  void Release() {
    auto runs = std::exchange(held, {});
    for (auto& run : runs) run();
  }

  bool hold = false;
  ModelConfig config_of;
  std::vector<Request> seen;
  RunOptions last_options;
  std::vector<std::function<void()>> held;

 private:
  ModelDescription description_;
  Body body_;
};

// x -> y = factor * x, both FP32 [-1, 1].
std::shared_ptr<Fake> Times(float factor) {
  return std::make_shared<Fake>(std::vector<TensorSpec>{{"x", DataType::kFp32, {-1, 1}}},
                                std::vector<TensorSpec>{{"y", DataType::kFp32, {-1, 1}}},
                                [factor](const Request& request) -> Result<Response> {
                                  Tensor out = request.inputs.at(0).tensor;
                                  auto* values =
                                      reinterpret_cast<float*>(out.mutable_bytes().data());
                                  for (int64_t i = 0; i < out.element_count(); ++i)
                                    values[i] *= factor;
                                  return Response{{{"y", std::move(out)}}};
                                });
}

// a, b -> sum.
std::shared_ptr<Fake> Plus() {
  return std::make_shared<Fake>(
      std::vector<TensorSpec>{{"a", DataType::kFp32, {-1, 1}}, {"b", DataType::kFp32, {-1, 1}}},
      std::vector<TensorSpec>{{"sum", DataType::kFp32, {-1, 1}}},
      [](const Request& request) -> Result<Response> {
        std::map<std::string, double> values;
        for (const NamedTensor& input : request.inputs)
          values[input.name] = input.tensor.NumberAt(0);
        return Response{
            {{"sum", Tensor::Of<float>({1, 1}, {static_cast<float>(values["a"] + values["b"])})}}};
      });
}

// Gives its inputs as its outputs, byte for byte.
std::shared_ptr<Fake> Pass() {
  return std::make_shared<Fake>(std::vector<TensorSpec>{{"x", DataType::kFp32, {-1, 1}}},
                                std::vector<TensorSpec>{{"y", DataType::kFp32, {-1, 1}}},
                                [](const Request& request) -> Result<Response> {
                                  return Response{{{"y", request.inputs.at(0).tensor}}};
                                });
}

struct Part {
  EnsembleStep step;
  std::shared_ptr<LoadedModel> model;
};
Result<std::shared_ptr<LoadedModel>> Make(const std::vector<Part>& parts, ModelConfig config = {}) {
  std::vector<FindModel> models;
  for (const Part& part : parts) {
    config.ensemble.push_back(part.step);
    models.emplace_back([model = part.model] { return model; });
  }
  return MakeEnsemble(std::move(config), std::move(models));
}

// Waits for nothing: fakes answer on this thread.
std::optional<Result<Response>> Ask(LoadedModel& model, Request request, RunOptions options = {}) {
  std::optional<Result<Response>> answer;
  model.Run(std::move(request), std::move(options),
            [&answer](Result<Response> response, RunTiming) { answer = std::move(response); });
  return answer;
}

Request One(float value, const std::string& name = "raw") {
  return {{{name, Tensor::Of<float>({1, 1}, {value})}}};
}

// raw -> (left, right) -> sum
struct Diamond {
  std::shared_ptr<Fake> left = Times(2), right = Times(10), plus = Plus();
  std::shared_ptr<LoadedModel> model =
      Make({{{"plus", {}, {{"a", "l"}, {"b", "r"}}, {{"sum", "total"}}}, plus},
            {{"left", {}, {{"x", "raw"}}, {{"y", "l"}}}, left},
            {{"right", {}, {{"x", "raw"}}, {{"y", "r"}}}, right}})
          .TakeValue();
};

TEST(Ensemble, AnswersAsOneModel) {
  Diamond diamond;
  const ModelDescription& description = diamond.model->description();
  ASSERT_EQ(description.inputs.size(), 1u);
  EXPECT_EQ(description.inputs[0].name, "raw");
  ASSERT_EQ(description.outputs.size(), 1u);
  EXPECT_EQ(description.outputs[0].name, "total");
  EXPECT_TRUE(description.batchable);
  const auto answer = Ask(*diamond.model, One(3));
  ASSERT_TRUE(answer && answer->ok()) << answer->status().ToString();
  EXPECT_EQ((*answer)->outputs.at(0).name, "total");
  EXPECT_EQ((*answer)->outputs[0].tensor.NumberAt(0), 36);
  EXPECT_EQ(diamond.model->Statistics().success.count, 1u);
}

TEST(Ensemble, StepsThatDoNotNeedEachOtherRunSideBySide) {
  Diamond diamond;
  diamond.left->hold = diamond.right->hold = true;
  std::optional<Result<Response>> answer;
  diamond.model->Run(One(1), {}, [&](Result<Response> response, RunTiming timing) {
    answer = std::move(response);
    EXPECT_EQ(timing.run_ns, 15);
  });
  EXPECT_EQ(diamond.left->held.size(), 1u);
  EXPECT_EQ(diamond.right->held.size(), 1u);
  EXPECT_TRUE(diamond.plus->seen.empty());
  diamond.right->Release();
  EXPECT_TRUE(diamond.plus->seen.empty());
  EXPECT_FALSE(answer.has_value());
  diamond.left->Release();
  ASSERT_TRUE(answer && answer->ok());
  EXPECT_EQ((*answer)->outputs[0].tensor.NumberAt(0), 12);
}

TEST(Ensemble, TensorsArePassedWithoutACopy) {
  const auto first = Pass(), second = Pass();
  const auto model = Make({{{"first", {}, {{"x", "raw"}}, {{"y", "between"}}}, first},
                           {{"second", {}, {{"x", "between"}}, {{"y", "end"}}}, second}})
                         .TakeValue();
  Request request = One(1);
  const std::byte* bytes = request.inputs[0].tensor.bytes().data();
  const auto answer = Ask(*model, std::move(request));
  ASSERT_TRUE(answer && answer->ok());
  EXPECT_EQ(first->seen.at(0).inputs[0].tensor.bytes().data(), bytes);
  EXPECT_EQ(second->seen.at(0).inputs[0].tensor.bytes().data(), bytes);
  EXPECT_EQ((*answer)->outputs[0].tensor.bytes().data(), bytes);
}

TEST(Ensemble, DeadlinePriorityAndParametersReachEveryStep) {
  Diamond diamond;
  Request request = One(1);
  request.parameters["depth"] = int64_t{4};
  RunOptions options;
  options.deadline_ns = base::MonotonicNanos() + 1'000'000'000;
  options.priority = 2;
  options.caller = "ada";
  ASSERT_TRUE(Ask(*diamond.model, std::move(request), options)->ok());
  for (const auto& step : {diamond.left, diamond.right, diamond.plus}) {
    EXPECT_EQ(step->last_options.deadline_ns, options.deadline_ns);
    EXPECT_EQ(step->last_options.priority, 2);
    EXPECT_EQ(step->last_options.caller, "ada");
    EXPECT_EQ(step->seen.at(0).parameters.size(), 1u);
  }
}

TEST(Ensemble, AFailureNamesTheStepAndEndsTheRun) {
  const auto broken =
      std::make_shared<Fake>(std::vector<TensorSpec>{{"x", DataType::kFp32, {-1, 1}}},
                             std::vector<TensorSpec>{{"y", DataType::kFp32, {-1, 1}}},
                             [](const Request&) -> Result<Response> {
                               return base::InvalidArgument("inputs[0].data", "too cold", "cold");
                             });
  const auto after = Pass();
  const auto model = Make({{{"broken", {}, {{"x", "raw"}}, {{"y", "between"}}}, broken},
                           {{"after", {}, {{"x", "between"}}, {{"y", "end"}}}, after}})
                         .TakeValue();
  const auto answer = Ask(*model, One(1));
  ASSERT_TRUE(answer.has_value());
  const Status& status = answer->status();
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_EQ(status.reason(), "cold");
  EXPECT_EQ(status.field(), "inputs[0].data");
  EXPECT_EQ(status.message(), "step 0 (\"broken\"): input 'x'.data: too cold");
  EXPECT_TRUE(after->seen.empty());
  EXPECT_EQ(model->Statistics().fail.count, 1u);
}

TEST(Ensemble, TheFirstOfTwoFailuresIsTheAnswerAndTheOnlyOne) {
  Diamond diamond;
  const auto fail = [](const Request&) -> Result<Response> {
    return base::Internal("run_failed", "no");
  };
  const auto specs = diamond.left->description();
  const auto left = std::make_shared<Fake>(specs.inputs, specs.outputs, fail);
  const auto right = std::make_shared<Fake>(specs.inputs, specs.outputs, fail);
  left->hold = right->hold = true;
  const auto model = Make({{{"left", {}, {{"x", "raw"}}, {{"y", "l"}}}, left},
                           {{"right", {}, {{"x", "raw"}}, {{"y", "r"}}}, right}})
                         .TakeValue();
  int answers = 0;
  std::string message;
  model->Run(One(1), {}, [&](const Result<Response>& response, RunTiming) {
    ++answers;
    message = response.status().message();
  });
  right->Release();
  EXPECT_EQ(answers, 1);
  left->Release();
  EXPECT_EQ(answers, 1);
  EXPECT_EQ(message, "step 1 (\"right\"): no");
}

TEST(Ensemble, AModelThatWentAwayIsUnavailable) {
  auto found = std::make_shared<std::shared_ptr<LoadedModel>>(Pass());
  ModelConfig config;
  config.ensemble = {{"late", {}, {{"x", "raw"}}, {{"y", "end"}}}};
  const auto model = MakeEnsemble(config, {[found] { return *found; }}).TakeValue();
  found->reset();
  EXPECT_EQ(Ask(*model, One(1))->status().reason(), "step_not_loaded");
  EXPECT_EQ(MakeEnsemble(config, {[found] { return *found; }}).status().reason(),
            "step_not_loaded");
}

TEST(Ensemble, OnlyTheOutputsAskedForAreGiven) {
  const auto model = Make({{{"a", {}, {{"x", "raw"}}, {{"y", "one"}}}, Times(1)},
                           {{"b", {}, {{"x", "raw"}}, {{"y", "two"}}}, Times(2)}})
                         .TakeValue();
  Request request = One(4);
  request.outputs = {"two"};
  const auto answer = Ask(*model, std::move(request));
  ASSERT_TRUE(answer && answer->ok());
  ASSERT_EQ((*answer)->outputs.size(), 1u);
  EXPECT_EQ((*answer)->outputs[0].tensor.NumberAt(0), 8);
  EXPECT_EQ(Ask(*model, One(4, "other"))->status().code(), Code::kInvalidArgument);
}

// One graph that must be refused, and what the error has to say.
struct Refused {
  const char* what;
  std::vector<Part> parts;
  ModelConfig config;
  const char* field;
  const char* message;
};
void ExpectRefused(const std::vector<Refused>& cases) {
  for (const Refused& one : cases) {
    const auto made = Make(one.parts, one.config);
    ASSERT_FALSE(made.ok()) << one.what;
    EXPECT_EQ(made.status().reason(), "bad_ensemble") << one.what;
    EXPECT_EQ(made.status().field(), one.field) << one.what;
    EXPECT_NE(made.status().message().find(one.message), std::string::npos)
        << one.what << ": " << made.status().ToString();
  }
}

// raw -> end by a model of one input and one output.
const EnsembleStep kPlain = {"m", {}, {{"x", "raw"}}, {{"y", "end"}}};

TEST(Ensemble, AStepThatDoesNotFitItsModelIsRefused) {
  const auto many = Times(1);
  many->config_of.decoupled = true;
  ExpectRefused({
      {"no steps", {}, {}, "ensemble.steps", "1 to 64"},
      {"unknown input",
       {{{"m", {}, {{"z", "raw"}, {"x", "raw"}}, {{"y", "end"}}}, Times(1)}},
       {},
       "ensemble.steps[0].inputs.z",
       "no input 'z'; it has x"},
      {"input that nothing feeds",
       {{{"plus", {}, {{"a", "raw"}}, {{"sum", "end"}}}, Plus()}},
       {},
       "ensemble.steps[0].inputs.b",
       "needs its input 'b'"},
      {"unknown output",
       {{{"m", {}, {{"x", "raw"}}, {{"z", "end"}}}, Times(1)}},
       {},
       "ensemble.steps[0].outputs.z",
       "no output 'z'; it has y"},
      {"nothing given",
       {{{"m", {}, {{"x", "raw"}}, {}}, Times(1)}},
       {},
       "ensemble.steps[0].outputs",
       "gives nothing"},
      {"decoupled", {{kPlain, many}}, {}, "ensemble.steps[0]", "decoupled"},
  });
}

TEST(Ensemble, TensorsThatDoNotMeetAreRefused) {
  const auto text =
      std::make_shared<Fake>(std::vector<TensorSpec>{{"x", DataType::kString, {-1, 1}}},
                             std::vector<TensorSpec>{{"y", DataType::kString, {-1, 1}}}, nullptr);
  ModelConfig input;
  input.inputs = {{"raw", DataType::kFp32, {-1, 1}}};
  ExpectRefused({
      {"given twice",
       {{kPlain, Times(1)}, {kPlain, Times(1)}},
       {},
       "ensemble.steps[1].outputs.y",
       "'end' is given twice"},
      {"no giver",
       {{{"m", {}, {{"x", "ghost"}}, {{"y", "end"}}}, Times(1)}},
       input,
       "ensemble.steps[0].inputs.x",
       "no step gives tensor 'ghost'"},
      {"types",
       {{kPlain, Times(1)}, {{"t", {}, {{"x", "end"}}, {{"y", "text"}}}, text}},
       {},
       "ensemble.steps[1].inputs.x",
       "'end' is FP32 [-1, 1], but step 1 (\"t\") takes BYTES [-1, 1]"},
      {"circle",
       {{{"a", {}, {{"a", "raw"}, {"b", "back"}}, {{"sum", "on"}}}, Plus()},
        {{"b", {}, {{"x", "on"}}, {{"y", "back"}}}, Times(1)}},
       {},
       "ensemble.steps[0]",
       "in a circle"},
  });
}

TEST(Ensemble, WhatNobodyGivesOrTakesIsRefused) {
  ModelConfig spare;
  spare.inputs = {{"raw", DataType::kFp32, {-1, 1}}, {"spare", DataType::kFp32, {-1, 1}}};
  ModelConfig output;
  output.outputs = {{"end", DataType::kFp32, {-1, 1}}};
  ExpectRefused({
      {"goes nowhere",
       {{kPlain, Times(1)}, {{"n", {}, {{"x", "raw"}}, {{"y", "lost"}}}, Times(1)}},
       output,
       "ensemble.steps[1].outputs",
       "'lost' of step 1 (\"n\") goes nowhere"},
      {"input for nobody",
       {{kPlain, Times(1)}},
       spare,
       "ensemble.inputs.spare",
       "no step takes it"},
      {"output of nobody",
       {{{"m", {}, {{"x", "raw"}}, {{"y", "other"}}}, Times(1)}},
       output,
       "ensemble.outputs.end",
       "no step gives it"},
  });
}

}  // namespace
}  // namespace slipway::inference
