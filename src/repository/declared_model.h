// SPDX-License-Identifier: Apache-2.0
// A loaded model as its author declared it. Private to the room.
#pragma once

#include <memory>

#include "base/status.h"
#include "inference/model_config.h"
#include "inference/model_pool.h"

namespace slipway::repository {

// Holds the declared inputs and outputs against what the model says: kInvalidArgument (reason
// "bad_config") with field "config.input[i]..." when they contradict each other.
base::Status CheckDeclared(const inference::ModelDescription& description,
                           const inference::ModelConfig& config);

// The same; gives the model itself, or, where tensors are declared with a reshape, one that callers
// see in the declared shapes.
base::Result<std::shared_ptr<inference::LoadedModel>> AsDeclared(
    std::shared_ptr<inference::LoadedModel> model, const inference::ModelConfig& config);

}  // namespace slipway::repository
