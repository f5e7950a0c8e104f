// SPDX-License-Identifier: Apache-2.0
// Which number of an answer is its score. Private to this room.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "monitoring/labels.h"
#include "monitoring/record_codec.h"

namespace slipway::monitoring {

// How one endpoint's answers and labels are read (setting monitoring.endpoints).
struct ScoreRule {
  std::string score_output = {};  // empty: "probabilities", or else the last floating-point output
  std::string positive_label = {};  // names the column when the output says what its columns mean
  Task task = Task::kAuto;
  std::vector<std::string> segments = {};  // features by which rows are told apart
};

struct ScoreColumn {
  const TensorView* tensor = nullptr;
  int64_t width = 0;
  int64_t column = 0;  // the last one unless positive_label names another

  double At(int64_t row) const { return tensor->NumberAt(row * width + column); }
};

// nullopt when the record has no such output. Points into `view`.
std::optional<ScoreColumn> FindScore(const PredictionView& view, const ScoreRule& rule);

}  // namespace slipway::monitoring
