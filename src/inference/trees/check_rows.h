// SPDX-License-Identifier: Apache-2.0
// Rows on which two evaluators of one tree model are held against each other: random ones around
// the model's own thresholds, its thresholds exactly and their neighbours, NaN, infinities, zeros
// of both signs, the smallest and the largest numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "inference/tensor.h"
#include "inference/trees/ensemble.h"

namespace slipway::inference::trees {

class CheckRows {
 public:
  static constexpr size_t kBatches = 24;
  explicit CheckRows(const Ensemble& ensemble, uint64_t seed = 1);
  // The request number i: 1 to 130 rows, so that each way of evaluating runs.
  Request Batch(const TensorSpec& input, size_t i);

 private:
  double Cell(size_t feature);

  std::vector<std::vector<double>> thresholds_;  // by feature, some of each
  std::mt19937_64 random_;
};

}  // namespace slipway::inference::trees
