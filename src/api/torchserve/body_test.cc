// SPDX-License-Identifier: Apache-2.0
// Items in every form in which TorchServe's callers send them.
#include "api/torchserve/body.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "inference/testing.h"

namespace slipway::api::torchserve {
namespace {

using inference::DataType;
using inference::ModelDescription;
using inference::NamedTensor;
using inference::Shape;
using inference::Tensor;

constexpr std::string_view kJson = "application/json";

ModelDescription ThreeNumbers() {
  ModelDescription description;
  description.inputs = {{"x", DataType::kFp32, {-1, 3}}};
  return description;
}
ModelDescription Bytes() {
  ModelDescription description;
  description.inputs = {{"image", DataType::kString, {-1}}};
  return description;
}

TEST(TorchServeBody, OneItemIsARow) {
  for (const char* text : {"[1, 2, 3]", R"({"data": [1, 2, 3]})", R"({"a": 1, "b": 2, "c": 3})"}) {
    const auto body = DecodePrediction(text, kJson, ThreeNumbers());
    ASSERT_TRUE(body.ok()) << text << body.status().ToString();
    EXPECT_FALSE(body->many);
    EXPECT_EQ(body->request.inputs[0].tensor.shape(), (Shape{1, 3})) << text;
  }
}

TEST(TorchServeBody, InstancesAreRows) {
  const auto body =
      DecodePrediction(R"({"instances": [[1, 2, 3], [4, 5, 6]]})", kJson, ThreeNumbers());
  ASSERT_TRUE(body.ok()) << body.status().ToString();
  EXPECT_TRUE(body->many);
  EXPECT_EQ(body->request.inputs[0].tensor.shape(), (Shape{2, 3}));
}

TEST(TorchServeBody, AFormsDataIsTheItem) {
  const std::string form =
      "--XX\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n"
      "--XX\r\nContent-Disposition: form-data; name=\"data\"; "
      "filename=\"a\"\r\n\r\n[1,2,3]\r\n--XX--"
      "\r\n";
  const std::string type = "multipart/form-data; boundary=XX";
  const auto numbers = DecodePrediction(form, type, ThreeNumbers());
  ASSERT_TRUE(numbers.ok()) << numbers.status().ToString();
  EXPECT_EQ(numbers->request.inputs[0].tensor.NumberAt(2), 3);
  const auto bytes = DecodePrediction(form, type, Bytes());
  ASSERT_TRUE(bytes.ok()) << bytes.status().ToString();
  EXPECT_EQ(bytes->request.inputs[0].tensor.strings(), (std::vector<std::string>{"[1,2,3]"}));
}

TEST(TorchServeBody, OtherContentGoesToAModelOfBytesAsItIs) {
  const auto body = DecodePrediction(std::string("\x89PNG\0", 5), "image/png", Bytes());
  ASSERT_TRUE(body.ok()) << body.status().ToString();
  EXPECT_EQ(body->request.inputs[0].tensor.strings()[0], std::string("\x89PNG\0", 5));
  EXPECT_EQ(DecodePrediction("x", "image/png", ThreeNumbers()).status().field(), "body");
}

TEST(TorchServeBody, RefusesWrongBodiesNamingTheField) {
  EXPECT_EQ(DecodePrediction("{", kJson, ThreeNumbers()).status().field(), "body");
  EXPECT_EQ(DecodePrediction("[[1],[2,3]]", kJson, ThreeNumbers()).status().field(), "body");
  EXPECT_EQ(DecodePrediction(R"({"instances": []})", kJson, ThreeNumbers()).status().field(),
            "instances");
  EXPECT_EQ(DecodePrediction("x", "multipart/form-data", Bytes()).status().field(), "Content-Type");
  EXPECT_EQ(DecodePrediction("x", "multipart/form-data; boundary=XX", Bytes()).status().field(),
            "data");
}

TEST(TorchServeAnswer, OneItemStandsByItself) {
  const NamedTensor y = {"y", Tensor::Of<float>({1, 1}, {0.5F})};
  const NamedTensor n = {"n", Tensor::Of<int64_t>({1}, {7})};
  EXPECT_EQ(*EncodePrediction({y}, false), "0.5");
  EXPECT_EQ(*EncodePrediction({y, n}, false), R"({"y":0.5,"n":7})");
  EXPECT_EQ(*EncodePrediction({y, n}, true), R"({"predictions":[{"y":0.5,"n":7}]})");
  EXPECT_EQ(EncodePrediction({{"z", Tensor::Of<float>({2}, {1, 2})}}, false).status().reason(),
            "ragged_output");
}

}  // namespace
}  // namespace slipway::api::torchserve
