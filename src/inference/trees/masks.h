// SPDX-License-Identifier: Apache-2.0
// One tree's leaves for a block of rows by masks (see forest.h), in the instructions that the
// forest was compiled for.
#pragma once

#include <cstddef>

#include "inference/trees/forest.h"

namespace slipway::inference::trees {

// Adds the leaf of `tree` to sums[row] for rows [0, rows), rows <= kBlockRows; up to the next
// multiple of sixteen rows may be read and added to. columns: slots x kBlockRows.
template <typename T, typename A>
void AddByMasks(const Forest<T, A>& forest, size_t tree, const T* columns, size_t rows, A* sums);

}  // namespace slipway::inference::trees
