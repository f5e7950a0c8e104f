// SPDX-License-Identifier: Apache-2.0
#include "inference/values.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "inference/tensor.h"

namespace slipway::inference {
namespace {

Value MapOf(const std::vector<std::string>& keys, const std::vector<float>& values) {
  const auto count = static_cast<int64_t>(keys.size());
  return {Map{Tensor::Strings({count}, keys), Tensor::Of<float>({count}, values)}};
}

TEST(Values, ATensorIsItself) {
  auto flat = Flatten({Tensor::Of<float>({1}, {7})});
  ASSERT_TRUE(flat.ok());
  EXPECT_EQ(flat->tensor.NumberAt(0), 7);
  EXPECT_EQ(flat->labels, nullptr);
}

TEST(Values, MapsInAnyKeyOrderBecomeATable) {
  auto flat = Flatten({Sequence{{MapOf({"no", "yes"}, {1, 2}), MapOf({"yes", "no"}, {4, 3})}}});
  ASSERT_TRUE(flat.ok()) << flat.status().ToString();
  EXPECT_EQ(flat->tensor.shape(), (Shape{2, 2}));
  EXPECT_EQ(flat->tensor.NumberAt(2), 3);
  EXPECT_EQ(flat->tensor.NumberAt(3), 4);
  EXPECT_EQ(flat->labels->strings(), (std::vector<std::string>{"no", "yes"}));
}

TEST(Values, IntegerKeysAreKept) {
  const Map map{Tensor::Of<int64_t>({2}, {5, -1}), Tensor::Of<double>({2}, {0.25, 0.75})};
  auto flat = Flatten({map});
  ASSERT_TRUE(flat.ok());
  EXPECT_EQ(flat->tensor.shape(), (Shape{2}));
  EXPECT_EQ(flat->tensor.type(), DataType::kFp64);
  EXPECT_EQ(flat->labels->As<int64_t>()[1], -1);
}

TEST(Values, EqualTensorsAreStacked) {
  auto flat =
      Flatten({Sequence{{{Tensor::Of<float>({2}, {1, 2})}, {Tensor::Of<float>({2}, {3, 4})}}}});
  ASSERT_TRUE(flat.ok());
  EXPECT_EQ(flat->tensor.shape(), (Shape{2, 2}));
  EXPECT_EQ(flat->tensor.NumberAt(3), 4);
}

TEST(Values, AnEmptySequenceHasNoRows) {
  auto flat = Flatten({Sequence{}});
  ASSERT_TRUE(flat.ok());
  EXPECT_EQ(flat->tensor.shape(), (Shape{0}));
}

TEST(Values, WhatHasNoCommonFormIsRefused) {
  const Value one = MapOf({"no", "yes"}, {1, 2});
  const Value ragged[] = {
      {Sequence{{one, MapOf({"no", "maybe"}, {1, 2})}}},
      {Sequence{{one, MapOf({"no"}, {1})}}},
      {Sequence{{one, {Tensor::Of<float>({1}, {1})}}}},
      {Sequence{{{Tensor::Of<float>({1}, {1})}, {Tensor::Of<float>({2}, {1, 2})}}}},
      {Sequence{{{Tensor::Of<float>({1}, {1})}, one}}},
      {Sequence{{{Sequence{}}}}},
  };
  for (const Value& value : ragged) {
    auto flat = Flatten(value);
    ASSERT_FALSE(flat.ok());
    EXPECT_EQ(flat.status().code(), base::Code::kUnimplemented);
    EXPECT_EQ(flat.status().reason(), "ragged_output");
  }
}

}  // namespace
}  // namespace slipway::inference
