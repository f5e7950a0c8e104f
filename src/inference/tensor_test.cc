// SPDX-License-Identifier: Apache-2.0
#include "inference/tensor.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <span>
#include <vector>

namespace slipway::inference {
namespace {

TEST(Tensor, EveryTypeIsFoundByItsName) {
  for (int i = 0; i < 14; ++i) {
    const auto type = static_cast<DataType>(i);
    auto parsed = ParseDataType(DataTypeName(type));
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(*parsed, type);
  }
  EXPECT_EQ(SizeOf(DataType::kBf16), 2U);
  EXPECT_EQ(SizeOf(DataType::kString), 0U);
}

TEST(Tensor, AnUnknownTypeNamesTheKnownOnes) {
  const auto parsed = ParseDataType("FP8");
  ASSERT_FALSE(parsed.ok());
  EXPECT_EQ(parsed.status().reason(), "unknown_datatype");
  EXPECT_NE(parsed.status().message().find("BF16"), std::string::npos);
}

TEST(Tensor, CountsElementsAndRefusesWhatCannotBeCounted) {
  EXPECT_EQ(*ElementCount({}), 1);
  EXPECT_EQ(*ElementCount({2, 3}), 6);
  EXPECT_EQ(*ElementCount({1LL << 62, 1LL << 62, 0}), 0);
  EXPECT_EQ(ElementCount({2, -1}).status().reason(), "bad_shape");
  EXPECT_EQ(ElementCount({1LL << 40, 1LL << 40}).status().reason(), "bad_shape");
}

TEST(Tensor, OwnedBytesAreZeroAndAligned) {
  const Tensor tensor(DataType::kFp64, {3});
  EXPECT_EQ(tensor.NumberAt(2), 0);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.bytes().data()) % alignof(double), 0U);
}

TEST(Tensor, WritingToACopyLeavesTheOriginal) {
  const Tensor original = Tensor::Of<int32_t>({2}, {1, 2});
  Tensor copy = original;
  EXPECT_EQ(copy.bytes().data(), original.bytes().data());
  copy.mutable_bytes()[0] = std::byte{9};
  EXPECT_EQ(original.NumberAt(0), 1);
  EXPECT_EQ(copy.NumberAt(0), 9);
}

TEST(Tensor, BorrowedBytesKeepTheirOwnerAndAreNeverWrittenTo) {
  auto body = std::make_shared<std::vector<std::byte>>(8, std::byte{1});
  std::weak_ptr<std::vector<std::byte>> watch = body;
  Tensor tensor = Tensor::Borrow(DataType::kUint8, {8}, *body, body);
  const std::byte* bytes = body->data();
  body.reset();
  EXPECT_EQ(tensor.bytes().data(), bytes);
  EXPECT_FALSE(watch.expired());
  tensor.mutable_bytes()[0] = std::byte{2};
  EXPECT_TRUE(watch.expired());
  EXPECT_EQ(tensor.NumberAt(0), 2);
  EXPECT_EQ(tensor.NumberAt(7), 1);
}

TEST(Tensor, ReshapeKeepsTheElements) {
  const Tensor tensor = Tensor::Of<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  auto flat = tensor.Reshape({6});
  ASSERT_TRUE(flat.ok());
  EXPECT_EQ(flat->NumberAt(5), 6);
  EXPECT_EQ(tensor.Reshape({5}).status().reason(), "bad_shape");
}

TEST(Tensor, SlicesRowsOfNumbersWithoutCopyAndOfStrings) {
  const Tensor numbers = Tensor::Of<int16_t>({3, 2}, {1, 2, 3, 4, 5, 6});
  const Tensor middle = numbers.Slice(1, 2);
  EXPECT_EQ(middle.shape(), (Shape{1, 2}));
  EXPECT_EQ(middle.bytes().data(), numbers.bytes().data() + 4);
  EXPECT_EQ(middle.NumberAt(1), 4);
  const Tensor strings = Tensor::Strings({3, 1}, {"a", "b", "c"}).Slice(1, 3);
  EXPECT_EQ(strings.strings(), (std::vector<std::string>{"b", "c"}));
  EXPECT_EQ(numbers.Slice(3, 3).element_count(), 0);
}

TEST(Tensor, HalfTypesAreWidened) {
  const auto half = [](uint16_t bits) {
    Tensor tensor(DataType::kFp16, {1});
    std::memcpy(tensor.mutable_bytes().data(), &bits, 2);
    return tensor.NumberAt(0);
  };
  EXPECT_EQ(half(0x3c00), 1.0);
  EXPECT_EQ(half(0xc000), -2.0);
  EXPECT_EQ(half(0x7bff), 65504.0);             // the largest
  EXPECT_EQ(half(0x0001), std::ldexp(1, -24));  // the smallest subnormal
  EXPECT_EQ(half(0x0400), std::ldexp(1, -14));  // the smallest normal
  EXPECT_EQ(half(0xfc00), -std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(half(0x7e00)));
  Tensor brain(DataType::kBf16, {1});
  const uint16_t bits = 0xc049;  // the upper half of -3.140625f
  std::memcpy(brain.mutable_bytes().data(), &bits, 2);
  EXPECT_EQ(brain.NumberAt(0), -3.140625);
}

TEST(Tensor, NumbersOfEveryTypeReadAsDouble) {
  EXPECT_EQ(Tensor::Of<bool>({2}, {false, true}).NumberAt(1), 1);
  EXPECT_EQ(Tensor::Of<uint8_t>({1}, {255}).NumberAt(0), 255);
  EXPECT_EQ(Tensor::Of<int8_t>({1}, {-128}).NumberAt(0), -128);
  EXPECT_EQ(Tensor::Of<uint16_t>({1}, {65535}).NumberAt(0), 65535);
  EXPECT_EQ(Tensor::Of<int64_t>({1}, {-5}).NumberAt(0), -5);
  EXPECT_EQ(Tensor::Of<uint64_t>({1}, {1ULL << 63}).NumberAt(0), std::ldexp(1, 63));
}

TEST(Tensor, StacksRows) {
  const Tensor parts[] = {Tensor::Of<float>({1, 2}, {1, 2}),
                          Tensor::Of<float>({2, 2}, {3, 4, 5, 6}), Tensor(DataType::kFp32, {0, 2})};
  auto whole = Concatenate(parts);
  ASSERT_TRUE(whole.ok());
  EXPECT_EQ(whole->shape(), (Shape{3, 2}));
  EXPECT_EQ(whole->NumberAt(5), 6);
  const Tensor words[] = {Tensor::Strings({1}, {"a"}), Tensor::Strings({2}, {"b", "c"})};
  EXPECT_EQ(Concatenate(words)->strings(), (std::vector<std::string>{"a", "b", "c"}));
}

TEST(Tensor, DoesNotStackOtherTypesOrInnerShapes) {
  const Tensor types[] = {Tensor::Of<float>({1, 1}, {1}), Tensor::Of<int32_t>({1, 1}, {1})};
  const Tensor shapes[] = {Tensor::Of<float>({1, 1}, {1}), Tensor::Of<float>({1, 2}, {1, 2})};
  const Tensor scalars[] = {Tensor::Of<float>({}, {1}), Tensor::Of<float>({}, {1})};
  EXPECT_EQ(Concatenate(types).status().reason(), "shapes_differ");
  EXPECT_EQ(Concatenate(shapes).status().reason(), "shapes_differ");
  EXPECT_EQ(Concatenate(scalars).status().reason(), "shapes_differ");
  EXPECT_EQ(Concatenate(std::span<const Tensor>()).status().reason(), "shapes_differ");
}

}  // namespace
}  // namespace slipway::inference
