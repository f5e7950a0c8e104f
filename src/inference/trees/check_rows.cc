// SPDX-License-Identifier: Apache-2.0
// Loading a version: the rows of the self-check.
#include "inference/trees/check_rows.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "inference/tensor.h"
#include "inference/trees/ensemble.h"

namespace slipway::inference::trees {
namespace {

constexpr size_t kMostThresholds = 64;  // kept of a feature
constexpr size_t kRows[] = {1, 5, 8, 17, 33, 130};
constexpr size_t kMostCells = 2'000'000;

template <typename T>
void Fill(Tensor& tensor, const std::vector<double>& cells) {
  auto* out = reinterpret_cast<T*>(tensor.mutable_bytes().data());
  for (size_t i = 0; i < cells.size(); ++i) {
    if constexpr (std::is_integral_v<T>) {
      constexpr double kMost = 1e9;
      out[i] = std::fabs(cells[i]) < kMost ? static_cast<T>(cells[i]) : T{0};
    } else {
      out[i] = static_cast<T>(cells[i]);
    }
  }
}

}  // namespace

CheckRows::CheckRows(const Ensemble& ensemble, uint64_t seed)
    : thresholds_(ensemble.features), random_(seed) {
  std::vector<size_t> seen(ensemble.features, 0);
  for (const Tree& tree : ensemble.trees) {
    for (const Node& node : tree.nodes) {
      if (node.test == Test::kLeaf) continue;
      std::vector<double>& kept = thresholds_[node.feature];
      const size_t count = seen[node.feature]++;
      if (kept.size() < kMostThresholds) {
        kept.push_back(node.threshold);
      } else if (const size_t place = random_() % (count + 1); place < kMostThresholds) {
        kept[place] = node.threshold;  // each of the feature's has the same chance
      }
    }
  }
}

double CheckRows::Cell(size_t feature) {
  constexpr double kEdges[] = {std::numeric_limits<double>::quiet_NaN(),
                               std::numeric_limits<double>::infinity(),
                               -std::numeric_limits<double>::infinity(),
                               0.0,
                               -0.0,
                               1e-35,
                               -1e-36,
                               std::numeric_limits<float>::denorm_min(),
                               std::numeric_limits<float>::max(),
                               -std::numeric_limits<float>::max()};
  const std::vector<double>& thresholds = thresholds_[feature];
  const uint64_t kind = random_() % 16;
  if (kind == 0) return kEdges[random_() % std::size(kEdges)];
  if (thresholds.empty() || kind == 1) return std::normal_distribution<double>(0, 3)(random_);
  const double threshold = thresholds[random_() % thresholds.size()];
  const auto single = static_cast<float>(threshold);
  switch (kind) {
    case 2:
      return threshold;
    case 3:
      return std::nextafter(single, std::numeric_limits<float>::infinity());
    case 4:
      return std::nextafter(single, -std::numeric_limits<float>::infinity());
    default:
      return threshold +
             std::normal_distribution<double>(0, 0.2)(random_) * (1 + std::fabs(threshold));
  }
}

Request CheckRows::Batch(const TensorSpec& input, size_t i) {
  const size_t width = thresholds_.size();
  size_t rows = kRows[i % std::size(kRows)];
  if (rows * width > kMostCells) rows = 1;
  std::vector<double> cells(rows * width);
  for (size_t cell = 0; cell < cells.size(); ++cell) cells[cell] = Cell(cell % width);
  Tensor tensor(input.type, {static_cast<int64_t>(rows), static_cast<int64_t>(width)});
  switch (input.type) {
    case DataType::kFp64:
      Fill<double>(tensor, cells);
      break;
    case DataType::kInt64:
      Fill<int64_t>(tensor, cells);
      break;
    case DataType::kInt32:
      Fill<int32_t>(tensor, cells);
      break;
    default:
      Fill<float>(tensor, cells);
      break;
  }
  Request request;
  request.inputs.push_back({input.name, std::move(tensor), nullptr});
  return request;
}

}  // namespace slipway::inference::trees
