// SPDX-License-Identifier: Apache-2.0
#include "drift/sort.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>

namespace slipway::drift {
namespace {

template <typename T>
void ExpectSorted(std::vector<T> values) {
  std::vector<T> expected = values;
  std::vector<T> scratch;
  std::sort(expected.begin(), expected.end());
  SortNumbers(values, scratch);
  EXPECT_EQ(values, expected);
}

TEST(SortNumbers, IsTheOrderOfComparing) {
  std::mt19937_64 random(1);
  std::uniform_int_distribution<uint64_t> bits;
  for (const size_t size : {0U, 1U, 100U, 5000U}) {
    std::vector<double> doubles;
    std::vector<float> floats;
    while (doubles.size() < size) {
      const double value = std::bit_cast<double>(bits(random));
      const float narrow = std::bit_cast<float>(static_cast<uint32_t>(bits(random)));
      if (value != value || narrow != narrow) continue;
      doubles.push_back(value);
      floats.push_back(narrow);
    }
    if (size > 10) {
      doubles[3] = std::numeric_limits<double>::infinity();
      doubles[5] = -std::numeric_limits<double>::infinity();
      doubles[7] = 0;
    }
    ExpectSorted(doubles);
    ExpectSorted(floats);
  }
}

TEST(SortNumbers, SortsFewDistinctValues) {
  std::vector<float> values;
  for (int i = 0; i < 5000; ++i) values.push_back(static_cast<float>(i % 7) - 3);
  ExpectSorted(values);
  ExpectSorted(std::vector<double>(5000, 2.5));
}

}  // namespace
}  // namespace slipway::drift
