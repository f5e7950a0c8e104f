// SPDX-License-Identifier: Apache-2.0
// A version's gates: what the model answers is held against what it should answer.
#include "inference/compare.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "inference/request_check.h"
#include "inference/tensor.h"

namespace slipway::inference {
namespace {

enum class Kind { kFloating, kInteger, kBool, kText };

Kind KindOf(DataType type) {
  switch (type) {
    case DataType::kString:
      return Kind::kText;
    case DataType::kBool:
      return Kind::kBool;
    case DataType::kFp16:
    case DataType::kBf16:
    case DataType::kFp32:
    case DataType::kFp64:
      return Kind::kFloating;
    default:
      return Kind::kInteger;
  }
}

// 0 when equal, else how far apart.
double Distance(double expected, double actual) {
  if (expected == actual || (std::isnan(expected) && std::isnan(actual))) return 0;
  const double distance = std::abs(actual - expected);
  return std::isnan(distance) ? std::numeric_limits<double>::infinity() : distance;
}

struct Tolerance {
  double absolute;
  double relative;
  bool bitwise = false;
  [[nodiscard]] bool Allows(double expected, double distance) const {
    return distance == 0 ||
           (std::isfinite(distance) && distance <= absolute + relative * std::abs(expected));
  }
};

class ValueComparison {
 public:
  ValueComparison(const Tensor& expected, const Tensor& actual, Tolerance tolerance)
      : expected_(expected),
        actual_(actual),
        kind_(KindOf(expected.type())),
        tolerance_(tolerance) {}

  void Into(OutputComparison& result) {
    const int64_t count = expected_.element_count();
    const int64_t row_size = expected_.rows() > 0 ? count / expected_.rows() : 0;
    std::vector<std::pair<double, int64_t>> bad_rows;  // distance, row
    for (int64_t i = 0; i < count; ++i) {
      const double distance = DistanceAt(i);
      result.max_absolute_difference = std::max(result.max_absolute_difference, distance);
      if (WithinTolerance(i, distance)) continue;
      ++result.values_different;
      const int64_t row = i / row_size;
      if (bad_rows.empty() || bad_rows.back().second != row) bad_rows.emplace_back(0, row);
      bad_rows.back().first = std::max(bad_rows.back().first, distance);
    }
    std::ranges::stable_sort(bad_rows,
                             [](const auto& a, const auto& b) { return a.first > b.first; });
    for (size_t i = 0; i < std::min(bad_rows.size(), kMostWorstRows); ++i)
      result.worst_rows.push_back(bad_rows[i].second);
    result.equal = result.values_different == 0;
    if (!result.equal) {
      result.difference = std::to_string(result.values_different) + " of " + std::to_string(count) +
                          " values differ";
    }
  }

 private:
  [[nodiscard]] double DistanceAt(int64_t i) const {
    if (kind_ == Kind::kText) {
      return expected_.strings()[static_cast<size_t>(i)] ==
                     actual_.strings()[static_cast<size_t>(i)]
                 ? 0
                 : 1;
    }
    const double distance = Distance(expected_.NumberAt(i), actual_.NumberAt(i));
    // 64-bit integers may differ by less than a double can tell.
    const bool hidden = distance == 0 && expected_.type() == actual_.type() &&
                        SizeOf(expected_.type()) == 8 && kind_ == Kind::kInteger &&
                        expected_.As<uint64_t>()[static_cast<size_t>(i)] !=
                            actual_.As<uint64_t>()[static_cast<size_t>(i)];
    return hidden ? 1 : distance;
  }
  [[nodiscard]] bool SameBits(int64_t i) const {
    if (kind_ == Kind::kText) return DistanceAt(i) == 0;
    const size_t size = SizeOf(expected_.type());
    const size_t at = static_cast<size_t>(i) * size;
    return std::memcmp(expected_.bytes().data() + at, actual_.bytes().data() + at, size) == 0;
  }
  [[nodiscard]] bool WithinTolerance(int64_t i, double distance) const {
    if (tolerance_.bitwise) return SameBits(i);
    return kind_ == Kind::kFloating ? tolerance_.Allows(expected_.NumberAt(i), distance)
                                    : distance == 0;
  }

  const Tensor& expected_;
  const Tensor& actual_;
  Kind kind_;
  Tolerance tolerance_;
};

OutputComparison CompareOne(const NamedTensor& expected, const NamedTensor* actual,
                            Tolerance tolerance) {
  OutputComparison result;
  result.name = expected.name;
  if (actual == nullptr) {
    result.difference = "missing";
    return result;
  }
  const Tensor& a = expected.tensor;
  const Tensor& b = actual->tensor;
  if (KindOf(a.type()) != KindOf(b.type()) || (tolerance.bitwise && a.type() != b.type())) {
    result.difference = std::string(DataTypeName(a.type())) + " expected, got " +
                        std::string(DataTypeName(b.type()));
    return result;
  }
  if (a.shape() != b.shape()) {
    result.difference =
        "shape " + FormatShape(a.shape()) + " expected, got " + FormatShape(b.shape());
    return result;
  }
  ValueComparison(a, b, tolerance).Into(result);
  return result;
}

const NamedTensor* FindOutput(const Response& response, const std::string& name) {
  const auto found = std::ranges::find(response.outputs, name, &NamedTensor::name);
  return found == response.outputs.end() ? nullptr : &*found;
}

}  // namespace

std::string Comparison::Summary() const {
  for (const OutputComparison& output : outputs) {
    if (!output.equal) return "output '" + output.name + "': " + output.difference;
  }
  return "equal";
}

namespace {

Comparison CompareWithin(const Response& expected, const Response& actual, Tolerance tolerance) {
  Comparison comparison;
  for (const NamedTensor& output : expected.outputs) {
    comparison.outputs.push_back(CompareOne(output, FindOutput(actual, output.name), tolerance));
  }
  for (const NamedTensor& output : actual.outputs) {
    if (FindOutput(expected, output.name) != nullptr) continue;
    comparison.outputs.emplace_back();
    comparison.outputs.back().name = output.name;
    comparison.outputs.back().difference = "not expected";
  }
  comparison.equal = std::ranges::all_of(comparison.outputs, &OutputComparison::equal);
  return comparison;
}

}  // namespace

Comparison CompareOutputs(const Response& expected, const Response& actual, double absolute,
                          double relative) {
  return CompareWithin(expected, actual, {absolute, relative});
}

Comparison CompareBitwise(const Response& expected, const Response& actual) {
  return CompareWithin(expected, actual, {0, 0, true});
}

}  // namespace slipway::inference
