// SPDX-License-Identifier: Apache-2.0
// Whether two answers are the same within a tolerance: golden outputs, an export against its
// source. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "inference/tensor.h"

namespace slipway::inference {

struct OutputComparison {
  std::string name;
  bool equal = false;
  // Empty when equal, else for a person: "missing", "FP32 expected, got INT64", "shape [2]
  // expected, got [3]", "3 of 40 values differ".
  std::string difference;
  double max_absolute_difference =
      0;  // over the numbers; infinite when one side is not finite and the other differs
  int64_t values_different = 0;
  std::vector<int64_t>
      worst_rows;  // rows with a value out of tolerance, the worst first; at most kMostWorstRows
};
inline constexpr size_t kMostWorstRows = 10;

struct Comparison {
  bool equal = false;                     // the same names, each equal
  std::vector<OutputComparison> outputs;  // expected's, in its order, then those only `actual` has
  [[nodiscard]] std::string Summary() const;  // "equal", or the first output's difference
};

// Floating numbers (of any two widths) are equal when |actual - expected| <= absolute + relative *
// |expected|; NaN equals NaN, an infinity itself. Integers, booleans and strings are compared
// exactly. Outputs are matched by name; shapes must be the same.
Comparison CompareOutputs(const Response& expected, const Response& actual, double absolute,
                          double relative);
// Every element of every output has the same type and the same bits: -0 is not 0, and one NaN is
// not another.
Comparison CompareBitwise(const Response& expected, const Response& actual);

}  // namespace slipway::inference
