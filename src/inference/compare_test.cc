// SPDX-License-Identifier: Apache-2.0
#include "inference/compare.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "inference/tensor.h"

namespace slipway::inference {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

Response Of(Tensor tensor) { return {{{"y", std::move(tensor)}}}; }
Comparison Floats(const std::vector<float>& expected, const std::vector<float>& actual,
                  double absolute, double relative) {
  const auto count = static_cast<int64_t>(expected.size());
  return CompareOutputs(Of(Tensor::Of<float>({count}, expected)),
                        Of(Tensor::Of<float>({count}, actual)), absolute, relative);
}

TEST(CompareOutputs, AddsTheTwoTolerances) {
  EXPECT_TRUE(Floats({100}, {100.5F}, 0.5, 0).equal);
  EXPECT_FALSE(Floats({100}, {100.6F}, 0.5, 0).equal);
  EXPECT_TRUE(Floats({100}, {101}, 0, 0.01).equal);
  EXPECT_TRUE(Floats({100}, {101.5F}, 0.5, 0.01).equal);
  EXPECT_FALSE(Floats({100}, {102}, 0.5, 0.01).equal);
}

TEST(CompareOutputs, NanEqualsNanAndNothingElse) {
  EXPECT_TRUE(Floats({kNan, kInfinity, -kInfinity}, {kNan, kInfinity, -kInfinity}, 0, 0).equal);
  EXPECT_FALSE(Floats({kNan}, {1}, 1e9, 1).equal);
  EXPECT_FALSE(Floats({1}, {kNan}, 1e9, 1).equal);
  EXPECT_FALSE(Floats({kInfinity}, {-kInfinity}, 1e9, 1).equal);
  EXPECT_FALSE(Floats({kInfinity}, {1e30F}, 1e9, 1).equal);
}

TEST(CompareOutputs, TellsTheWorstRowsFirst) {
  const Response expected = Of(Tensor::Of<float>({3, 2}, {0, 0, 0, 0, 0, 0}));
  const Response actual = Of(Tensor::Of<float>({3, 2}, {0, 1, 0, 0, 5, 2}));
  const Comparison comparison = CompareOutputs(expected, actual, 0.1, 0);
  ASSERT_EQ(comparison.outputs.size(), 1U);
  EXPECT_EQ(comparison.outputs[0].worst_rows, (std::vector<int64_t>{2, 0}));
  EXPECT_EQ(comparison.outputs[0].values_different, 3);
  EXPECT_EQ(comparison.outputs[0].max_absolute_difference, 5);
  EXPECT_EQ(comparison.Summary(), "output 'y': 3 of 6 values differ");
}

TEST(CompareOutputs, IntegersAreExactEvenPastADouble) {
  constexpr int64_t kLarge = (1LL << 53) + 1;
  const Response expected = Of(Tensor::Of<int64_t>({1}, {kLarge}));
  EXPECT_TRUE(CompareOutputs(expected, expected, 0, 0).equal);
  EXPECT_FALSE(CompareOutputs(expected, Of(Tensor::Of<int64_t>({1}, {kLarge - 1})), 10, 1).equal);
  EXPECT_FALSE(
      CompareOutputs(Of(Tensor::Of<int32_t>({1}, {1})), Of(Tensor::Of<int32_t>({1}, {2})), 10, 1)
          .equal);
}

TEST(CompareOutputs, StringsAreExact) {
  const Response expected = Of(Tensor::Strings({2}, {"a", "b"}));
  EXPECT_TRUE(CompareOutputs(expected, expected, 0, 0).equal);
  const Comparison comparison =
      CompareOutputs(expected, Of(Tensor::Strings({2}, {"a", "c"})), 10, 1);
  EXPECT_FALSE(comparison.equal);
  EXPECT_EQ(comparison.outputs[0].worst_rows, (std::vector<int64_t>{1}));
}

TEST(CompareOutputs, FloatWidthsMayDifferKindsAndShapesMayNot) {
  const Response expected = Of(Tensor::Of<double>({1}, {0.5}));
  EXPECT_TRUE(CompareOutputs(expected, Of(Tensor::Of<float>({1}, {0.5F})), 0, 0).equal);
  EXPECT_EQ(CompareOutputs(expected, Of(Tensor::Of<int64_t>({1}, {0})), 1, 1).Summary(),
            "output 'y': FP64 expected, got INT64");
  EXPECT_EQ(CompareOutputs(expected, Of(Tensor::Of<float>({1, 1}, {0.5F})), 1, 1).Summary(),
            "output 'y': shape [1] expected, got [1, 1]");
}

TEST(CompareOutputs, NamesMustBeTheSame) {
  const Response one = Of(Tensor::Of<float>({1}, {1}));
  EXPECT_EQ(CompareOutputs(one, {}, 0, 0).Summary(), "output 'y': missing");
  EXPECT_EQ(CompareOutputs({}, one, 0, 0).Summary(), "output 'y': not expected");
}

TEST(CompareOutputs, NoRowsAreEqual) {
  const Response empty = Of(Tensor(DataType::kFp32, {0, 2}));
  EXPECT_TRUE(CompareOutputs(empty, empty, 0, 0).equal);
}

}  // namespace
}  // namespace slipway::inference
