// SPDX-License-Identifier: Apache-2.0
// GoldenSet: inputs and the outputs that a model should give for them, from arrays by name; and how
// a comparison with what it gave is told. Pure functions.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "inference/compare.h"
#include "inference/runtime.h"
#include "inference/tensor.h"

namespace slipway::inference {

struct GoldenSet {
  Request request;
  Response expected;
};

// An array belongs to the model's input or output of its name, or says which: "inputs.x",
// "outputs.y". All inputs must be there and at least one output; only outputs that are there are
// asked for and compared. kInvalidArgument naming the array.
base::Result<GoldenSet> GoldenFromArrays(std::vector<NamedTensor> arrays,
                                         const ModelDescription& description);

struct CheckOptions {
  bool bitwise = false;  // else within absolute + relative * |expected|
  double absolute = 1e-6;
  double relative = 1e-5;
};
Comparison CheckGolden(const GoldenSet& golden, const Response& actual,
                       const CheckOptions& options);

// {"equal","rows","outputs":[{"name","equal","difference","values_different",
// "max_absolute_difference","worst_rows":[{"row","expected":[...],"actual":[...]}]}]}; of a row at
// most kMostShownValues values. Infinite differences print as null.
inline constexpr int64_t kMostShownValues = 16;
base::Json CheckJson(const GoldenSet& golden, const Response& actual, const Comparison& comparison);

}  // namespace slipway::inference
