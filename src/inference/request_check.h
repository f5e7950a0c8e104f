// SPDX-License-Identifier: Apache-2.0
// Whether a request fits a model. Pure functions.
#pragma once

#include <string>

#include "base/status.h"
#include "inference/runtime.h"

namespace slipway::inference {

// "FP32 [-1, 4]"
std::string FormatSpec(const TensorSpec& spec);
std::string FormatShape(const Shape& shape);

// Every input of the model once, nothing else, each of its type, rank and fixed dimensions; outputs
// asked for exist. Whatever comes fits a model that is `open`. kInvalidArgument with field
// "inputs", "inputs[i].name", "inputs[i].datatype", "inputs[i].shape", "inputs[i].data" or
// "outputs[i]" (i: place in the request) and what was expected. No conversion is done: FP64 is not
// taken for FP32.
base::Status CheckRequest(const ModelDescription& description, const Request& request);

// Every input's first dimension is free, and every output's that tells its shape: rows may be
// stacked into one run (ModelDescription::batchable).
bool RowsAreFree(const ModelDescription& description);

// A request of `rows` rows of zeros (empty strings), free inner dimensions 1: for a first run of a
// model that came without recorded inputs. Some models refuse it; that says nothing about them.
Request ZeroRequest(const ModelDescription& description, int64_t rows);

}  // namespace slipway::inference
