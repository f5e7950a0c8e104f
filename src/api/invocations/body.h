// SPDX-License-Identifier: Apache-2.0
// From a scoring request's body to the tensors that a model takes. Private to the room. Pure
// functions.
#pragma once

#include <string_view>

#include "base/status.h"
#include "inference/runtime.h"
#include "inference/tensor.h"

namespace slipway::api::invocations {

// Exactly one of dataframe_split, dataframe_records, instances, inputs (and `params`). Columns go
// to the model's inputs by name, or side by side into its only input [N, C]. null and NaN are
// missing values. kInvalidArgument with field "dataframe_split.data[3]", "inputs.x" or the column's
// name.
base::Result<inference::Request> DecodeJson(std::string_view body,
                                            const inference::ModelDescription& description);

// As inference/csv.h reads it. A column whose model input is BYTES is text; any other must be
// numbers. Without a line of names (`headerless`) the cells go to the model's inputs, or to the
// columns of its only one, in their order.
base::Result<inference::Request> DecodeCsv(std::string_view body,
                                           const inference::ModelDescription& description,
                                           bool headerless = false);

}  // namespace slipway::api::invocations
