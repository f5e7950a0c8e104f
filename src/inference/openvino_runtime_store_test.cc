// SPDX-License-Identifier: Apache-2.0
// The real library on the tiny models of tests/data/models.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/status.h"
#include "inference/openvino/tflite_names.h"
#include "inference/openvino_runtime.h"
#include "inference/probe.h"
#include "inference/runtime.h"
#include "inference/tensor.h"
#include "inference/testing.h"

namespace slipway::inference {
namespace {

ModelSource Source(const std::string& file, std::map<std::string, std::string> parameters = {}) {
  const auto folder = std::filesystem::path(TestModel("linear")).parent_path();
  ModelSource source{file, "openvino", (folder / file).string()};
  source.config.parameters = std::move(parameters);
  return source;
}

class OpenVino : public testing::Test {
 protected:
  std::unique_ptr<Session> Load(const std::string& file,
                                std::map<std::string, std::string> parameters = {}) {
    auto session = runtime_->Load(Source(file, std::move(parameters)));
    EXPECT_TRUE(session.ok()) << file << ": " << session.status().ToString();
    return session.ok() ? std::move(*session) : nullptr;
  }

  std::unique_ptr<Runtime> runtime_ = MakeOpenVinoRuntime({});
};

const NamedTensor& Named(const Response& response, const std::string& part) {
  const auto at = std::ranges::find_if(response.outputs, [&](const NamedTensor& output) {
    return output.name.find(part) != std::string::npos;
  });
  EXPECT_NE(at, response.outputs.end()) << part;
  return at == response.outputs.end() ? response.outputs.front() : *at;
}

// scores = softmax(x W) with W = [[0, 1], [2, 3], [4, 5]]: both logits of a row differ by sum(x).
void ExpectScores(const Tensor& scores, double sum_of_x) {
  ASSERT_EQ(scores.shape(), (Shape{1, 2}));
  EXPECT_NEAR(scores.NumberAt(1), 1 / (1 + std::exp(-sum_of_x)), 1e-6);
}

TEST(OpenVinoLibrary, IsOpenedByTheFirstModelOnly) {
  auto runtime = MakeOpenVinoRuntime({.library = "/nowhere/libopenvino_c.so"});
  EXPECT_EQ(runtime->name(), "openvino");
  auto session = runtime->Load(Source("linear.xml"));
  ASSERT_FALSE(session.ok());
  EXPECT_EQ(session.status().code(), base::Code::kFailedPrecondition);
  EXPECT_EQ(session.status().reason(), "runtime_missing");
  EXPECT_NE(session.status().message().find("openvino.library"), std::string::npos);
  auto other = MakeOpenVinoRuntime({.library = "libm.so.6"})->Load(Source("linear.xml"));
  EXPECT_EQ(other.status().reason(), "runtime_too_old");
}

TEST_F(OpenVino, WeightsOfAnOnnxModelLieBelowItsFolder) {
  auto beside = Load("external.onnx");
  ASSERT_NE(beside, nullptr);
  EXPECT_FALSE(beside->description().outputs.empty());
  for (const char* file : {"external_escape.onnx", "external_memory.onnx"}) {
    auto refused = runtime_->Load(Source(file));
    ASSERT_FALSE(refused.ok()) << file;
    EXPECT_EQ(refused.status().reason(), "external_data_escapes") << refused.status().ToString();
  }
}

TEST_F(OpenVino, RunsItsOwnFormat) {
  auto session = Load("linear.xml");
  EXPECT_EQ(session->description().platform, "openvino");
  EXPECT_TRUE(session->description().batchable);
  EXPECT_EQ(session->description().inputs[0].shape, (Shape{-1, 3}));
  auto response = session->Run({{{"x", Tensor::Of<float>({2, 3}, {1, 1, 1, 1, 0, 0})}}, {}});
  ASSERT_TRUE(response.ok()) << response.status().ToString();
  EXPECT_EQ(response->outputs[0].name, "y");
  ASSERT_EQ(response->outputs[0].tensor.shape(), (Shape{2, 2}));
  EXPECT_EQ(response->outputs[0].tensor.NumberAt(0), 6);
  EXPECT_EQ(response->outputs[0].tensor.NumberAt(3), 1);
  EXPECT_TRUE(runtime_->Version().starts_with("20")) << runtime_->Version();
}

TEST_F(OpenVino, RunsTensorFlowsFormats) {
  const struct {
    const char* file;
    const char* x;
    const char* a;
  } cases[] = {{"saved_model", "x", "a"},
               {"saved_model/saved_model.pb", "x", "a"},
               {"frozen.pb", "x:0", "a:0"}};
  for (const auto& one : cases) {
    auto session = Load(one.file);
    ASSERT_NE(session, nullptr);
    auto response = session->Run({{{one.x, Tensor::Of<float>({1, 3}, {1, 0.5, -1})},
                                   {one.a, Tensor::Of<float>({1, 3}, {10, 20, 30})}},
                                  {}});
    ASSERT_TRUE(response.ok()) << one.file << response.status().ToString();
    ExpectScores(Named(*response, "scores").tensor, 0.5);
    EXPECT_NEAR(Named(*response, "total").tensor.NumberAt(0), 60.5, 1e-4);
  }
}

TEST_F(OpenVino, RunsTfLiteByTheNamesOfItsSignature) {
  auto session = Load("scores.tflite");
  auto response = session->Run({{{"x", Tensor::Of<float>({1, 3}, {1, 0.5, -1})},
                                 {"a", Tensor::Of<float>({1, 3}, {10, 20, 30})}},
                                {"total", "scores"}});
  ASSERT_TRUE(response.ok()) << response.status().ToString();
  EXPECT_NEAR(response->outputs[0].tensor.NumberAt(0), 60.5, 1e-4);
  ExpectScores(response->outputs[1].tensor, 0.5);
}

// Whatever is cut off or overwritten: no crash, and a name is always a piece of the file.
TEST(TfLiteNames, ADamagedFileIsReadWithinItsBounds) {
  std::ifstream file(Source("scores.tflite").path, std::ios::binary);
  const std::string whole((std::istreambuf_iterator<char>(file)), {});
  const auto names = [](const std::string& bytes) {
    return openvino::SignatureNames(std::as_bytes(std::span(bytes)));
  };
  EXPECT_EQ(names(whole).at("serving_default_x:0"), "x");
  EXPECT_EQ(names(whole).size(), 4U);
  EXPECT_TRUE(names("").empty());
  for (size_t size = 0; size < whole.size(); size += 3) names(whole.substr(0, size));
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(~damaged[at]);
    for (const auto& [inner, outer] : names(damaged)) {
      EXPECT_NE(damaged.find(inner), std::string::npos);
      EXPECT_NE(damaged.find(outer), std::string::npos);
    }
  }
}

TEST_F(OpenVino, RunsPaddle) {
  auto response = Load("scale.pdmodel")->Run({{{"x", Tensor::Of<float>({1, 3}, {1, 2, -1})}}, {}});
  ASSERT_TRUE(response.ok()) << response.status().ToString();
  EXPECT_EQ(response->outputs[0].tensor.NumberAt(1), 5);
  EXPECT_EQ(response->outputs[0].tensor.NumberAt(2), -1);
}

// The numbers that OpenVINO's processor plugin holds exactly: it computes 64 bits in 32.
Request NumbersRequest() {
  Request request = IdentityRequest();
  std::erase_if(request.inputs, [](const NamedTensor& input) { return input.name == "string"; });
  for (NamedTensor& input : request.inputs) {
    if (input.name == "int64") input.tensor = Tensor::Of<int64_t>({2, 2}, {-2147483647, -1, 0, 7});
    if (input.name == "uint64") input.tensor = Tensor::Of<uint64_t>({2, 2}, {0, 1, 2, 2147483647});
    if (input.name == "uint32") input.tensor = Tensor::Of<uint32_t>({2, 2}, {0, 1, 2, 2147483647});
    if (input.name == "fp64") input.tensor = Tensor::Of<double>({2, 2}, {-1.5, 0, 0.25, 1e9});
  }
  return request;
}

TEST_F(OpenVino, EveryTypeOfNumberPassesThroughUnchanged) {
  auto session = Load("identity_numbers.onnx");
  const Request request = NumbersRequest();
  auto response = session->Run(request);
  ASSERT_TRUE(response.ok()) << response.status().ToString();
  ASSERT_EQ(response->outputs.size(), request.inputs.size());
  for (const NamedTensor& input : request.inputs) {
    const auto at = std::ranges::find(response->outputs, input.name + "_out", &NamedTensor::name);
    ASSERT_NE(at, response->outputs.end()) << input.name;
    EXPECT_EQ(at->tensor.type(), input.tensor.type());
    EXPECT_EQ(at->tensor.shape(), input.tensor.shape());
    EXPECT_TRUE(std::ranges::equal(at->tensor.bytes(), input.tensor.bytes())) << input.name;
  }
}

// Its processor plugin frees what it must not when a model has strings: such a model is not opened.
TEST_F(OpenVino, StringsAreRefused) {
  auto session = runtime_->Load(Source("identity.onnx"));
  ASSERT_FALSE(session.ok());
  EXPECT_EQ(session.status().reason(), "bad_model");
  EXPECT_NE(session.status().message().find("string"), std::string::npos);
}

TEST_F(OpenVino, InputsInAnyOrderChosenOutputsAndChangingRows) {
  auto session = Load("identity_numbers.onnx");
  Request request = NumbersRequest();
  std::ranges::reverse(request.inputs);
  request.outputs = {"int8_out", "fp64_out"};
  for (const int64_t rows : {2, 1, 2}) {
    Request part = request;
    for (NamedTensor& input : part.inputs) input.tensor = input.tensor.Slice(0, rows);
    auto response = session->Run(part);
    ASSERT_TRUE(response.ok()) << response.status().ToString();
    ASSERT_EQ(response->outputs.size(), 2U);
    EXPECT_EQ(response->outputs[0].name, "int8_out");
    EXPECT_EQ(response->outputs[1].tensor.rows(), rows);
  }
}

TEST_F(OpenVino, ThreadsRunOneModelAtOnceAndKeepTheirAnswers) {
  auto session = Load("linear.xml", {{"performance_hint", "latency"}, {"num_threads", "1"}});
  std::vector<int> wrong(4, 0);
  {
    std::vector<std::jthread> threads;
    for (size_t t = 0; t < wrong.size(); ++t) {
      threads.emplace_back([&session, &wrong, t] {
        const auto value = static_cast<float>(t + 1);
        for (int i = 0; i < 50; ++i) {
          auto response =
              session->Run({{{"x", Tensor::Of<float>({1, 3}, {value, value, value})}}, {}});
          if (!response.ok() || response->outputs[0].tensor.NumberAt(0) != 6 * value) ++wrong[t];
        }
      });
    }
  }
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

TEST_F(OpenVino, WhatDoesNotFitIsRefusedWithItsField) {
  auto session = Load("linear.xml");
  auto response = session->Run({{{"x", Tensor::Of<float>({1, 2}, {1, 2})}}, {}});
  ASSERT_FALSE(response.ok());
  EXPECT_EQ(response.status().code(), base::Code::kInvalidArgument);
  EXPECT_EQ(response.status().field(), "inputs[0].shape");
  EXPECT_EQ(runtime_->Load(Source("linear.xml", {{"precision", "int4"}})).status().field(),
            "parameters.precision");
}

TEST_F(OpenVino, WhatIsNoModelIsRefusedInOneLine) {
  for (const char* file :
       {"broken.onnx", "absent.xml", "external.weights", "classifier_int.onnx"}) {
    auto session = runtime_->Load(Source(file));
    ASSERT_FALSE(session.ok()) << file;
    EXPECT_EQ(session.status().code(), base::Code::kInvalidArgument);
    EXPECT_EQ(session.status().reason(), "bad_model") << session.status().ToString();
    EXPECT_EQ(session.status().message().find('\n'), std::string::npos);
  }
}

TEST_F(OpenVino, AProbeOpensAndRunsTheModel) {
  EXPECT_TRUE(ProbeModel(*runtime_, Source("saved_model")).ok());
  EXPECT_GT(Load("saved_model")->memory_bytes(), 1 << 20);
}

}  // namespace
}  // namespace slipway::inference
