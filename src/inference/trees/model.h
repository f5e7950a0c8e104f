// SPDX-License-Identifier: Apache-2.0
// Model: what a reader makes of a file: the trees, how a caller sees them, and what becomes of the
// sums.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "inference/tensor.h"
#include "inference/trees/ensemble.h"

namespace slipway::inference::trees {

// What Evaluate gave: rows x targets, in one of the two.
struct Sums {
  size_t rows = 0, targets = 0;
  const float* singles = nullptr;
  const double* doubles = nullptr;
  const uint8_t* seen = nullptr;  // rows x targets, only for ensembles that are not plain
};

struct Model {
  Ensemble ensemble;
  std::string platform;  // "xgboost", "lightgbm", "onnx_trees"
  TensorSpec input;      // [-1, features]
  // True: values become float before they are compared, whatever type they come in. Else each type
  // as it is.
  std::vector<TensorSpec> outputs;
  // One tensor for each of `outputs`.
  std::function<std::vector<NamedTensor>(const Sums&)> finish;
};

// What a caller may set for one model (ModelSource's parameters).
struct ReadOptions {
  std::string output;  // "", "label", "probability" or "margin": see docs/runtimes.md
};

// Each: kInvalidArgument (field "model", reason "bad_model") when the file is damaged or asks for
// what is not supported.
base::Result<Model> ReadXgboost(std::string_view bytes,
                                const ReadOptions& options);  // JSON or UBJSON
base::Result<Model> ReadLightgbm(std::string_view text, const ReadOptions& options);
// kUnimplemented (reason "not_trees") when it is a graph of more than a tree ensemble and what
// surrounds one.
base::Result<Model> ReadOnnx(std::string_view bytes);

// By its first bytes.
base::Result<Model> ReadModel(std::string_view bytes, const ReadOptions& options);

}  // namespace slipway::inference::trees
