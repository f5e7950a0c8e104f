// SPDX-License-Identifier: Apache-2.0
// The rows of a holdout's file: CSV with a line of names, NumPy's .npz with an array a column (or a
// model input), or {"columns": [...], "data": [[...]]}. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "inference/columns.h"
#include "inference/runtime.h"
#include "inference/tensor.h"

namespace slipway::lifecycle {

inline constexpr int64_t kMostHoldoutRows = 1'000'000;
inline constexpr size_t kMostHoldoutSegments = 20;

struct HoldoutShape {
  std::string format;                 // "csv", "npz", "json"; empty: as the bytes look
  std::string label;                  // column
  std::vector<std::string> segments;  // columns that parts of the rows are told by
};

struct HoldoutRows {
  std::string format;
  std::vector<inference::Column> columns;       // without the label
  std::vector<inference::NamedTensor> tensors;  // of npz arrays with more than one value a row
  std::vector<double> labels;
  std::vector<std::vector<std::string>> segments;  // as HoldoutShape has them, then by row
};

// kInvalidArgument naming "label", "segments", the column, or the file's place.
base::Result<HoldoutRows> ReadHoldout(std::string_view bytes, const HoldoutShape& shape);

// What a model is asked with: a column that tells a segment is left out when the model has no input
// of its name. Errors are RequestFromColumns'.
base::Result<inference::Request> RequestOf(const HoldoutRows& rows, const HoldoutShape& shape,
                                           const inference::ModelDescription& description);

}  // namespace slipway::lifecycle
