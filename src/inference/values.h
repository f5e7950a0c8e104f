// SPDX-License-Identifier: Apache-2.0
// From what a model gives (tensors, sequences, maps) to the plain tensors of a Response. Pure
// functions.
#pragma once

#include <memory>

#include "base/status.h"
#include "inference/tensor.h"

namespace slipway::inference {

struct FlatValue {
  Tensor tensor;
  std::shared_ptr<const Tensor> labels;  // the maps' keys; nullptr when there were no maps
};

// tensor                                         -> itself
// map of C keys                                  -> [C], labels = its keys
// sequence of N maps with the same C keys        -> [N, C], labels = the first one's keys; the
// others may order theirs differently sequence of N tensors of one type and shape S  -> [N, S...]
// empty sequence                                 -> FP32 [0]
// Anything else (deeper nesting, keys or shapes that differ between items) is kUnimplemented
// (reason "ragged_output").
base::Result<FlatValue> Flatten(Value value);

}  // namespace slipway::inference
