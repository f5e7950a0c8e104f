// SPDX-License-Identifier: Apache-2.0
#include "inference/request_check.h"

#include <gtest/gtest.h>

#include <cstddef>

#include "inference/runtime.h"
#include "inference/tensor.h"

namespace slipway::inference {
namespace {

ModelDescription TwoInputs() {
  ModelDescription description;
  description.inputs = {{"a", DataType::kFp32, {-1, 2}}, {"b", DataType::kBool, {-1}}};
  description.outputs = {{"y", DataType::kFp32, {-1}}};
  return description;
}
NamedTensor A() { return {"a", Tensor::Of<float>({1, 2}, {1, 2})}; }
NamedTensor B() { return {"b", Tensor::Of<bool>({1}, {true})}; }

TEST(CheckRequest, TakesTheInputsInAnyOrder) {
  EXPECT_TRUE(CheckRequest(TwoInputs(), {{A(), B()}, {}}).ok());
  EXPECT_TRUE(CheckRequest(TwoInputs(), {{B(), A()}, {"y"}}).ok());
}

TEST(CheckRequest, OneInputTwiceDoesNotStandForTheOther) {
  EXPECT_EQ(CheckRequest(TwoInputs(), {{B(), B()}, {}}).reason(), "duplicate_input");
  EXPECT_EQ(CheckRequest(TwoInputs(), {{A(), A()}, {}}).reason(), "duplicate_input");
  EXPECT_EQ(CheckRequest(TwoInputs(), {{A(), B(), A()}, {}}).field(), "inputs[2].name");
}

TEST(CheckRequest, NamesTheMissingInputAndItsForm) {
  const base::Status status = CheckRequest(TwoInputs(), {{B()}, {}});
  EXPECT_EQ(status.field(), "inputs");
  EXPECT_EQ(status.message(), "input 'a' FP32 [-1, 2] is missing");
}

TEST(CheckRequest, SaysWhatShapeWasExpected) {
  const base::Status status =
      CheckRequest(TwoInputs(), {{{"a", Tensor::Of<float>({1, 3}, {1, 2, 3})}, B()}, {}});
  EXPECT_EQ(status.field(), "inputs[0].shape");
  EXPECT_EQ(status.message(), "input 'a' has shape [-1, 2], got [1, 3]");
}

TEST(CheckRequest, RefusesBooleansThatAreNeitherZeroNorOne) {
  NamedTensor b = B();
  b.tensor.mutable_bytes()[0] = std::byte{2};
  EXPECT_EQ(CheckRequest(TwoInputs(), {{A(), b}, {}}).field(), "inputs[1].data");
}

TEST(CheckRequest, UnknownRankTakesAnyShape) {
  ModelDescription description;
  description.inputs = {{"a", DataType::kFp32, {}, true}};
  EXPECT_TRUE(CheckRequest(description, {{A()}, {}}).ok());
}

TEST(CheckRequest, ListsTheOutputsThereAre) {
  const base::Status status = CheckRequest(TwoInputs(), {{A(), B()}, {"y", "z"}});
  EXPECT_EQ(status.field(), "outputs[1]");
  EXPECT_NE(status.message().find("'y'"), std::string::npos);
}

TEST(ZeroRequest, FitsItsModel) {
  ModelDescription description = TwoInputs();
  description.inputs.push_back({"s", DataType::kString, {-1, -1}});
  const Request request = ZeroRequest(description, 3);
  EXPECT_TRUE(CheckRequest(description, request).ok());
  EXPECT_EQ(request.inputs[0].tensor.shape(), (Shape{3, 2}));
  EXPECT_EQ(request.inputs[2].tensor.shape(), (Shape{3, 1}));
}

}  // namespace
}  // namespace slipway::inference
