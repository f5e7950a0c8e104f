// SPDX-License-Identifier: Apache-2.0
// NumPy's .npz: arrays by name, as numpy.savez and savez_compressed write them. Pure functions.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "inference/tensor.h"

namespace slipway::inference {

inline constexpr size_t kMaxNpzArrays = 1000;
inline constexpr size_t kMaxNpzBytes = 1UL << 30;  // of all arrays, unpacked

// In the archive's order. Booleans, integers, floating numbers, bytes and text; arrays in Fortran
// order are turned. kInvalidArgument (field: the array's name, or "npz") for what is no such
// archive, for objects, big-endian numbers and other types, and past the limits.
base::Result<std::vector<NamedTensor>> ReadNpz(std::string_view archive);

}  // namespace slipway::inference
