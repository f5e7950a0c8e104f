// SPDX-License-Identifier: Apache-2.0
// The graph of an ensemble: its tensors by number, checked once. Private to inference.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "inference/model_config.h"
#include "inference/model_pool.h"

namespace slipway::inference::ensemble {

struct Binding {
  std::string name;  // the model's own
  size_t tensor = 0;
};
struct Step {
  std::string label;  // `step 0 ("scale")`, for errors
  std::vector<Binding> inputs;
  std::vector<Binding> outputs;
};
struct Graph {
  std::vector<Step> steps;
  std::vector<Binding> inputs;              // of the ensemble
  std::vector<Binding> outputs;             // of the ensemble
  std::vector<std::vector<size_t>> takers;  // tensor -> steps, one entry for each use
  std::vector<bool> is_output;              // tensor -> the ensemble gives it
  ModelDescription description;
};

// `models`: of each step, never null.
base::Result<Graph> Build(const ModelConfig& config,
                          const std::vector<std::shared_ptr<LoadedModel>>& models);

}  // namespace slipway::inference::ensemble
