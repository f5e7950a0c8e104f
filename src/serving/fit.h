// SPDX-License-Identifier: Apache-2.0
// Fit: small differences between what callers send and what a model takes, evened out once for
// every protocol. Pure.
#pragma once

#include <optional>

#include "base/status.h"
#include "inference/runtime.h"
#include "inference/tensor.h"

namespace slipway::serving {

// The request as the model takes it; nothing when it may go as it is (then the runtime's own check
// decides).
//  - numbers of another type become the model's type when every value fits: integers and BOOL to
//    any type that holds them, FP64 to FP32 (rounded; a finite value stays finite), whole floating
//    numbers to integers, 0 and 1 to BOOL. NaN and infinities stay what they are between floating
//    types and fit no integer.
//  - [N] becomes [N, 1] where the model takes [any, 1].
// kInvalidArgument (reason "value_does_not_fit") with field "inputs[i].data" names the first
// element that does not fit.
base::Result<std::optional<inference::Request>> Fit(const inference::Request& request,
                                                    const inference::ModelDescription& description);

}  // namespace slipway::serving
