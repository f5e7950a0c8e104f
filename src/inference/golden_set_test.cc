// SPDX-License-Identifier: Apache-2.0
// Which array is what, and how a comparison is told.
#include "inference/golden_set.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "inference/testing.h"

namespace slipway::inference {
namespace {

NamedTensor Floats(const std::string& name, const std::vector<float>& values) {
  return {name, Tensor::Of<float>({static_cast<int64_t>(values.size()), 1}, values)};
}

TEST(GoldenSet, ArraysGoToTheInputOrOutputOfTheirName) {
  const auto golden = GoldenFromArrays({Floats("y", {10}), Floats("x", {1})}, OneNumberModel());
  ASSERT_TRUE(golden.ok()) << golden.status().ToString();
  EXPECT_EQ(golden->request.inputs[0].name, "x");
  EXPECT_EQ(golden->expected.outputs[0].name, "y");
  EXPECT_EQ(golden->request.outputs, (std::vector<std::string>{"y"}));
}

TEST(GoldenSet, ANameThatBothHaveMustSayWhichItMeans) {
  ModelDescription echo = OneNumberModel();
  echo.outputs[0].name = "x";
  EXPECT_EQ(GoldenFromArrays({Floats("x", {1})}, echo).status().field(), "x");
  const auto golden = GoldenFromArrays({Floats("inputs.x", {1}), Floats("outputs.x", {2})}, echo);
  ASSERT_TRUE(golden.ok()) << golden.status().ToString();
  EXPECT_EQ(golden->expected.outputs[0].tensor.NumberAt(0), 2);
}

TEST(GoldenSet, WhatIsMissingOrUnknownIsNamed) {
  EXPECT_EQ(GoldenFromArrays({Floats("y", {1})}, OneNumberModel()).status().field(), "x");
  EXPECT_EQ(GoldenFromArrays({Floats("x", {1})}, OneNumberModel()).status().field(), "npz");
  EXPECT_EQ(GoldenFromArrays({Floats("z", {1})}, OneNumberModel()).status().field(), "z");
  EXPECT_EQ(GoldenFromArrays({Floats("inputs.z", {1})}, OneNumberModel()).status().field(),
            "inputs.z");
}

TEST(GoldenSet, TheReportShowsTheWorstRowsWithTheirValues) {
  const auto golden =
      GoldenFromArrays({Floats("x", {1, 2, 3}), Floats("y", {10, 20, 31})}, OneNumberModel());
  ASSERT_TRUE(golden.ok());
  const Response actual = *TimesTen(golden->request);
  const Comparison comparison = CheckGolden(*golden, actual, {});
  EXPECT_FALSE(comparison.equal);
  EXPECT_EQ(CheckJson(*golden, actual, comparison).Dump(),
            R"({"equal":false,"rows":3,"outputs":[{"name":"y","equal":false,)"
            R"("difference":"1 of 3 values differ","values_different":1,)"
            R"("max_absolute_difference":1,"worst_rows":[{"row":2,"expected":[31],)"
            R"("actual":[30]}]}]})");
  EXPECT_TRUE(CheckGolden(*golden, actual, {false, 1, 0}).equal);
}

TEST(GoldenSet, BitwiseTellsZerosAndTypesApart) {
  const Response zero = {{Floats("y", {0.0F})}};
  const Response minus = {{Floats("y", {-0.0F})}};
  const Response wide = {{{"y", Tensor::Of<double>({1, 1}, {0})}}};
  EXPECT_TRUE(CompareBitwise(zero, zero).equal);
  EXPECT_FALSE(CompareBitwise(zero, minus).equal);
  EXPECT_FALSE(CompareBitwise(zero, wide).equal);
  EXPECT_TRUE(CompareOutputs(zero, minus, 0, 0).equal);
  const Response nan = {{Floats("y", {std::numeric_limits<float>::quiet_NaN()})}};
  EXPECT_TRUE(CompareBitwise(nan, nan).equal);
}

}  // namespace
}  // namespace slipway::inference
