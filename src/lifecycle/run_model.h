// SPDX-License-Identifier: Apache-2.0
// One run of a loaded model, waited for: gates and comparisons, never a request's path.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "inference/model_pool.h"

namespace slipway::lifecycle {

base::Result<inference::Response> RunAndWait(inference::LoadedModel& model,
                                             inference::Request request);

// Positive-class scores of a response: the last column of output `name`, or (empty name) of the
// last floating output.
base::Result<std::vector<double>> Scores(const inference::Response& response,
                                         const std::string& name);

// The scores of every row of a large request, which is run in pieces where rows are stacked.
base::Result<std::vector<double>> ScoreRows(inference::LoadedModel& model,
                                            inference::Request request, const std::string& output);

}  // namespace slipway::lifecycle
