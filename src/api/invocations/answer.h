// SPDX-License-Identifier: Apache-2.0
// From a model's outputs to MLflow's {"predictions": ...}. Private to the room. Pure.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "inference/tensor.h"

namespace slipway::api::invocations {

// One output: a list with an item a row. Several with the same number of rows: a list of records by
// output name. Several of different lengths: an object of lists. [N, 1] is a list of N scalars; a
// row of an output that the model gives as maps is an object by label. NaN and infinities, which
// JSON lacks, are null.
std::string EncodePredictions(const std::vector<inference::NamedTensor>& outputs);

// A line a row: the elements of every output, in order, separated by commas. kInvalidArgument
// (field "Accept") when the outputs have not the same number of rows.
base::Result<std::string> EncodeCsv(const std::vector<inference::NamedTensor>& outputs);

}  // namespace slipway::api::invocations
