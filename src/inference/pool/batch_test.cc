// SPDX-License-Identifier: Apache-2.0
#include "inference/pool/batch.h"

#include <gtest/gtest.h>

#include <memory>

#include "inference/tensor.h"
#include "inference/testing.h"

namespace slipway::inference::pool {
namespace {

TEST(Batch, StacksAndCutsApartAgain) {
  const Request a = OneNumber({1, 2});
  const Request b = OneNumber({3});
  const Request* both[] = {&a, &b};
  ASSERT_TRUE(CanStack(a, b));
  auto stacked = Stack(both);
  ASSERT_TRUE(stacked.ok());
  const auto response = TimesTen(*stacked);
  ASSERT_TRUE(GivesRows(*response, 3));
  EXPECT_EQ(SliceRows(*response, 0, 2).outputs[0].tensor.NumberAt(1), 20);
  EXPECT_EQ(SliceRows(*response, 2, 3).outputs[0].tensor.NumberAt(0), 30);
}

TEST(Batch, OnlyEqualFormsStack) {
  const Request one = OneNumber({1});
  Request other_output = one;
  other_output.outputs = {"y"};
  Request other_type = one;
  other_type.inputs[0].tensor = Tensor::Of<double>({1, 1}, {1});
  Request other_width = one;
  other_width.inputs[0].tensor = Tensor::Of<float>({1, 2}, {1, 2});
  Request other_name = one;
  other_name.inputs[0].name = "z";
  for (const Request& other : {other_output, other_type, other_width, other_name})
    EXPECT_FALSE(CanStack(one, other));
}

TEST(Batch, RowsMustAgreeAmongTheInputs) {
  Request request = OneNumber({1, 2});
  EXPECT_TRUE(HasRows(request));
  request.inputs.push_back({"w", Tensor::Of<float>({1, 1}, {1})});
  EXPECT_FALSE(HasRows(request));
  request.inputs.back().tensor = Tensor::Of<float>({}, {1});
  EXPECT_FALSE(HasRows(request));
  EXPECT_FALSE(HasRows(OneNumber({})));
  EXPECT_FALSE(HasRows({}));
}

TEST(Batch, PartsJoinInOrderWithTheirLabels) {
  const auto labels = std::make_shared<Tensor>(Tensor::Strings({1}, {"late"}));
  const Response parts[] = {{{{"p", Tensor::Of<float>({1, 1}, {1}), labels}}},
                            {{{"p", Tensor::Of<float>({2, 1}, {2, 3}), labels}}}};
  auto whole = Join(parts);
  ASSERT_TRUE(whole.ok());
  EXPECT_EQ(whole->outputs[0].tensor.shape(), (Shape{3, 1}));
  EXPECT_EQ(whole->outputs[0].tensor.NumberAt(2), 3);
  EXPECT_EQ(whole->outputs[0].labels, labels);
  EXPECT_EQ(SliceRows(*whole, 1, 2).outputs[0].labels, labels);
}

TEST(Batch, PartsOfOtherShapesDoNotJoin) {
  const Response parts[] = {{{{"p", Tensor::Of<float>({1, 1}, {1})}}},
                            {{{"p", Tensor::Of<float>({1, 2}, {2, 3})}}}};
  EXPECT_EQ(Join(parts).status().reason(), "ragged_output");
}

TEST(Batch, RequestsThatSayDifferentThingsToTheModelAreNotStacked) {
  Request a = OneNumber({1});
  Request b = OneNumber({2});
  EXPECT_TRUE(CanStack(a, b));
  b.parameters["temperature"] = 0.5;
  EXPECT_FALSE(CanStack(a, b));
  a.parameters["temperature"] = 0.5;
  EXPECT_TRUE(CanStack(a, b));
  const Request* both[] = {&a, &b};
  EXPECT_EQ(Stack(both)->parameters, a.parameters);
  b.sequence = SequencePlace{"7", true, false};
  EXPECT_FALSE(CanStack(a, b));
}

}  // namespace
}  // namespace slipway::inference::pool
