// SPDX-License-Identifier: Apache-2.0
// Stacking requests into one run and cutting its answer apart again. Pure functions.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"
#include "inference/tensor.h"

namespace slipway::inference::pool {

// Every input has the same number of rows (rank >= 1), at least one.
bool HasRows(const Request& request);
// The same inputs in the same order, of the same types and inner shapes, and the same outputs asked
// for.
bool CanStack(const Request& a, const Request& b);
// All of them CanStack.
base::Result<Request> Stack(std::span<const Request* const> requests);
// Rows [begin, end) of every input.
Request SliceRows(const Request& request, int64_t begin, int64_t end);
Response SliceRows(const Response& response, int64_t begin, int64_t end);
// With bytes of its own, however much larger what it is a part of.
Tensor OwnCopy(const Tensor& tensor);
// Every output has `rows` rows.
bool GivesRows(const Response& response, int64_t rows);
// The answers of consecutive rows as one. kUnimplemented (reason "ragged_output") when they do not
// fit together.
base::Result<Response> Join(std::span<const Response> parts);

}  // namespace slipway::inference::pool
