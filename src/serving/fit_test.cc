// SPDX-License-Identifier: Apache-2.0
#include "serving/fit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace slipway::serving {
namespace {

using inference::DataType;
using inference::Tensor;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

inference::ModelDescription Takes(DataType type, inference::Shape shape) {
  inference::ModelDescription description;
  description.inputs = {{"x", type, std::move(shape)}};
  return description;
}

inference::Request Gives(Tensor tensor) { return {{{"x", std::move(tensor)}}, {}}; }

TEST(Fit, LeavesWhatFitsAlone) {
  const auto fitted =
      Fit(Gives(Tensor::Of<float>({2, 1}, {1, 2})), Takes(DataType::kFp32, {-1, 1}));
  ASSERT_TRUE(fitted.ok());
  EXPECT_FALSE(fitted->has_value());
}

TEST(Fit, LeavesUnknownInputsAndStringsToTheRuntimesCheck) {
  EXPECT_FALSE(
      Fit({{{"z", Tensor::Of<double>({1}, {1})}}, {}}, Takes(DataType::kFp32, {-1}))->has_value());
  EXPECT_FALSE(
      Fit(Gives(Tensor::Of<std::string>({1}, {"1"})), Takes(DataType::kFp32, {-1}))->has_value());
}

TEST(Fit, RoundsDoublesToFloatsAndKeepsMissingValues) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto fitted =
      Fit(Gives(Tensor::Of<double>({3}, {0.1, nan, -INFINITY})), Takes(DataType::kFp32, {-1}));
  ASSERT_TRUE(fitted.ok() && fitted->has_value());
  const auto values = (**fitted).inputs[0].tensor.As<float>();
  EXPECT_EQ(values[0], 0.1F);
  EXPECT_TRUE(std::isnan(values[1]));
  EXPECT_EQ(values[2], -std::numeric_limits<float>::infinity());
}

TEST(Fit, WidensIntegers) {
  const auto longs =
      Fit(Gives(Tensor::Of<int32_t>({2}, {-5, 2147483647})), Takes(DataType::kInt64, {-1}));
  ASSERT_TRUE(longs.ok() && longs->has_value());
  EXPECT_THAT((**longs).inputs[0].tensor.As<int64_t>(), ElementsAre(-5, 2147483647));
  const auto floats = Fit(Gives(Tensor::Of<int64_t>({2}, {-5, 7})), Takes(DataType::kFp32, {-1}));
  ASSERT_TRUE(floats.ok() && floats->has_value());
  EXPECT_THAT((**floats).inputs[0].tensor.As<float>(), ElementsAre(-5, 7));
  const auto flags =
      Fit(Gives(Tensor::Of<bool>({2}, {true, false})), Takes(DataType::kInt64, {-1}));
  ASSERT_TRUE(flags.ok() && flags->has_value());
  EXPECT_THAT((**flags).inputs[0].tensor.As<int64_t>(), ElementsAre(1, 0));
}

TEST(Fit, MakesZeroAndOneBooleans) {
  const auto fitted = Fit(Gives(Tensor::Of<int64_t>({2}, {0, 1})), Takes(DataType::kBool, {-1}));
  ASSERT_TRUE(fitted.ok() && fitted->has_value());
  EXPECT_THAT((**fitted).inputs[0].tensor.As<bool>(), ElementsAre(false, true));
}

TEST(Fit, RefusesValuesThatTheModelsTypeCannotHold) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<std::pair<Tensor, DataType>> misfits = {
      {Tensor::Of<int64_t>({2}, {1, 3000000000}), DataType::kInt32},
      {Tensor::Of<double>({2}, {1, 1e300}), DataType::kFp32},
      {Tensor::Of<double>({2}, {1, 1.5}), DataType::kInt64},
      {Tensor::Of<float>({2}, {1, -1}), DataType::kUint8},
      {Tensor::Of<double>({2}, {1, nan}), DataType::kInt64},
      {Tensor::Of<double>({2}, {1, 9223372036854775808.0}), DataType::kInt64},
      {Tensor::Of<int8_t>({2}, {1, -1}), DataType::kUint64},
      {Tensor::Of<int64_t>({2}, {1, 2}), DataType::kBool},
  };
  for (const auto& [tensor, type] : misfits) {
    const auto fitted = Fit(Gives(tensor), Takes(type, {-1}));
    ASSERT_FALSE(fitted.ok()) << DataTypeName(type);
    EXPECT_EQ(fitted.status().code(), base::Code::kInvalidArgument);
    EXPECT_EQ(fitted.status().reason(), "value_does_not_fit");
    EXPECT_EQ(fitted.status().field(), "inputs[0].data");
    EXPECT_THAT(fitted.status().message(), HasSubstr("element 1 "));
  }
}

TEST(Fit, MakesAVectorAColumn) {
  const auto fitted =
      Fit(Gives(Tensor::Of<std::string>({2}, {"a", "b"})), Takes(DataType::kString, {-1, 1}));
  ASSERT_TRUE(fitted.ok() && fitted->has_value());
  EXPECT_THAT((**fitted).inputs[0].tensor.shape(), ElementsAre(2, 1));
  EXPECT_THAT((**fitted).inputs[0].tensor.strings(), ElementsAre("a", "b"));
}

TEST(Fit, KeepsAVectorForAModelOfWiderRows) {
  EXPECT_FALSE(
      Fit(Gives(Tensor::Of<float>({2}, {1, 2})), Takes(DataType::kFp32, {-1, 2}))->has_value());
  EXPECT_FALSE(
      Fit(Gives(Tensor::Of<float>({2}, {1, 2})), Takes(DataType::kFp32, {1, 1}))->has_value());
}

}  // namespace
}  // namespace slipway::serving
