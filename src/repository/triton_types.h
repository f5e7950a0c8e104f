// SPDX-License-Identifier: Apache-2.0
// The two spellings of an element type. Private to the room.
#pragma once

#include <optional>

#include "inference/tensor.h"

namespace slipway::repository {

// Triton's number of a type ("TYPE_FP32" is 11) and back; nothing for TYPE_INVALID.
int TritonTypeOf(inference::DataType type);
std::optional<inference::DataType> TypeOfTriton(int number);

}  // namespace slipway::repository
