// SPDX-License-Identifier: Apache-2.0
// Rows, columns and examples, good and bad.
#include "api/v1models/body.h"

#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "inference/testing.h"

namespace slipway::api::v1models {
namespace {

using inference::DataType;
using inference::ModelDescription;
using inference::NamedTensor;
using inference::Shape;
using inference::Tensor;

// x FP32 [-1, 2] and s BYTES [-1].
ModelDescription TwoInputs() {
  ModelDescription description;
  description.inputs = {{"x", DataType::kFp32, {-1, 2}}, {"s", DataType::kString, {-1}}};
  return description;
}

TEST(V1Predict, RowsOfTheOnlyInput) {
  const auto body = DecodePredict(R"({"instances": [[1.5], [2]]})", inference::OneNumberModel());
  ASSERT_TRUE(body.ok()) << body.status().ToString();
  EXPECT_FALSE(body->by_column);
  ASSERT_EQ(body->request.inputs.size(), 1);
  EXPECT_EQ(body->request.inputs[0].name, "x");
  EXPECT_EQ(body->request.inputs[0].tensor.shape(), (Shape{2, 1}));
  EXPECT_EQ(body->request.inputs[0].tensor.NumberAt(1), 2);
}

TEST(V1Predict, RowsByInputNameHoldArraysAndBytes) {
  const auto body = DecodePredict(
      R"({"signature_name": "serving_default",
          "instances": [{"x": [1, 2], "s": "a"}, {"x": [3, 4], "s": {"b64": "/w=="}}]})",
      TwoInputs());
  ASSERT_TRUE(body.ok()) << body.status().ToString();
  EXPECT_EQ(body->request.inputs[0].tensor.shape(), (Shape{2, 2}));
  EXPECT_EQ(body->request.inputs[1].tensor.strings(), (std::vector<std::string>{"a", "\xff"}));
}

TEST(V1Predict, ColumnsByInputName) {
  const auto body =
      DecodePredict(R"({"inputs": {"x": [[1, 2], [3, 4]], "s": ["a", "b"]}})", TwoInputs());
  ASSERT_TRUE(body.ok()) << body.status().ToString();
  EXPECT_TRUE(body->by_column);
  EXPECT_EQ(body->request.inputs[0].tensor.shape(), (Shape{2, 2}));
}

TEST(V1Predict, RefusesWrongBodiesNamingTheField) {
  struct Bad {
    const char* body;
    const char* field;
  };
  for (const Bad& bad : {Bad{"[", "body"},
                         {"[]", "body"},
                         {"{}", "instances"},
                         {R"({"instances": []})", "instances"},
                         {R"({"instances": 3})", "instances"},
                         {R"({"instances": [[1]], "inputs": [[1]]})", "inputs"},
                         {R"({"instances": [[1], [1, 2]]})", "instances"},
                         {R"({"instances": [{"b64": "!"}]})", "instances.b64"},
                         {R"({"instances": [[1]], "signature_name": "other"})", "signature_name"},
                         {R"({"instances": [[1]], "signature_name": 7})", "signature_name"},
                         {R"({"instance": [[1]]})", "instance"}}) {
    const auto body = DecodePredict(bad.body, inference::OneNumberModel());
    ASSERT_FALSE(body.ok()) << bad.body;
    EXPECT_EQ(body.status().code(), base::Code::kInvalidArgument) << bad.body;
    EXPECT_EQ(body.status().field(), bad.field) << bad.body << body.status().ToString();
  }
}

TEST(V1Examples, TheContextStandsInEveryExampleThatDoesNotSayOtherwise) {
  const auto request = DecodeExamples(
      R"({"context": {"s": "all"}, "examples": [{"x": [1, 2]}, {"x": [3, 4], "s": "own"}]})",
      TwoInputs());
  ASSERT_TRUE(request.ok()) << request.status().ToString();
  EXPECT_EQ(request->inputs[1].tensor.strings(), (std::vector<std::string>{"all", "own"}));
}

TEST(V1Examples, RefusesWhatAreNoExamples) {
  for (const char* body :
       {R"({"examples": []})", R"({"examples": {"x": 1}})", R"({"context": {}})"})
    EXPECT_EQ(DecodeExamples(body, TwoInputs()).status().field(), "examples") << body;
  EXPECT_EQ(
      DecodeExamples(R"({"examples": [{"x": 1}], "context": 1})", TwoInputs()).status().field(),
      "context");
}

std::vector<NamedTensor> Outputs() {
  return {{"label", Tensor::Of<int64_t>({2}, {0, 1})},
          {"raw_bytes", Tensor::Strings({2}, {"\xff", "b"})},
          {"p", Tensor::Of<float>({2, 1}, {0.5F, std::numeric_limits<float>::quiet_NaN()})}};
}

TEST(V1Answer, RowsOfSeveralOutputsAreObjectsAndNanIsNull) {
  EXPECT_EQ(*EncodePredict(Outputs(), false),
            R"({"predictions":[{"label":0,"raw_bytes":{"b64":"/w=="},"p":[0.5]},)"
            R"({"label":1,"raw_bytes":{"b64":"Yg=="},"p":[null]}]})");
}

TEST(V1Answer, OneOutputStandsByItself) {
  const std::vector<NamedTensor> one = {{"y", Tensor::Of<float>({2, 1}, {0.5F, 1})}};
  EXPECT_EQ(*EncodePredict(one, false), R"({"predictions":[[0.5],[1]]})");
  EXPECT_EQ(*EncodePredict(one, true), R"({"outputs":[[0.5],[1]]})");
}

TEST(V1Answer, ColumnsAreWholeTensors) {
  const std::vector<NamedTensor> two = {{"y", Tensor::Of<float>({2}, {0.5F, 1})},
                                        {"n", Tensor::Of<int32_t>({}, {7})}};
  EXPECT_EQ(*EncodePredict(two, true), R"({"outputs":{"y":[0.5,1],"n":7}})");
  EXPECT_EQ(EncodePredict(two, false).status().field(), "instances");
}

TEST(V1Classify, LabelsComeFromTheModelThenTheConfigurationThenTheColumn) {
  std::vector<NamedTensor> outputs = {{"p", Tensor::Of<float>({1, 2}, {0.25F, 0.75F})}};
  inference::ModelConfig config;
  EXPECT_EQ(*EncodeClassify(outputs, config), R"({"result":[[["0",0.25],["1",0.75]]]})");
  config.labels["p"] = {"no", "yes"};
  EXPECT_EQ(*EncodeClassify(outputs, config), R"({"result":[[["no",0.25],["yes",0.75]]]})");
  outputs[0].labels = std::make_shared<Tensor>(Tensor::Of<int64_t>({2}, {10, 20}));
  EXPECT_EQ(*EncodeClassify(outputs, config), R"({"result":[[["10",0.25],["20",0.75]]]})");
  outputs.push_back({"classes", Tensor::Strings({1, 2}, {"b", "a"})});
  EXPECT_EQ(*EncodeClassify(outputs, config), R"({"result":[[["b",0.25],["a",0.75]]]})");
  EXPECT_EQ(EncodeClassify({outputs[1]}, config).status().reason(), "no_classifier");
}

TEST(V1Regress, TakesTheOnlyOutputOfOneNumberARow) {
  const NamedTensor y = {"y", Tensor::Of<float>({2, 1}, {0.5F, 1})};
  const NamedTensor wide = {"w", Tensor::Of<float>({2, 2}, {1, 2, 3, 4})};
  EXPECT_EQ(*EncodeRegress({wide, y}), R"({"result":[0.5,1]})");
  EXPECT_EQ(EncodeRegress({wide}).status().reason(), "no_regressor");
  EXPECT_EQ(EncodeRegress({y, y}).status().reason(), "no_regressor");
}

}  // namespace
}  // namespace slipway::api::v1models
