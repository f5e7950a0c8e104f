// SPDX-License-Identifier: Apache-2.0
// What breaks for callers of one model when another answers in its place, field by field.
#pragma once

#include <string>
#include <vector>

#include "inference/runtime.h"

namespace slipway::lifecycle {

// "input 'age' is gone", "input 'age' is INT64 and was FP32", "output 'p' has shape [-1,3] and had
// [-1,2]", "input 'income' is new and callers do not send it". New outputs break nothing, and
// neither does a dimension that becomes free.
std::vector<std::string> SignatureBreaks(const inference::ModelDescription& former,
                                         const inference::ModelDescription& next);

}  // namespace slipway::lifecycle
