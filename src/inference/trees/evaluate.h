// SPDX-License-Identifier: Apache-2.0
// Rows through a forest. Pure functions of a forest that does not change: any number of threads at
// once.
#pragma once

#include <cstddef>
#include <cstdint>

#include "inference/trees/forest.h"

namespace slipway::inference::trees {

// `values`: rows x forest.features, row-major; each is converted to T first, as the source library
// does. `sums` gets rows x forest.targets: the start values and then each tree's leaf, added in the
// order of the trees. `seen` (may be null when the forest is plain): 1 where any leaf had a weight
// for the target.
template <typename In, typename T, typename A>
void Evaluate(const Forest<T, A>& forest, const In* values, size_t rows, A* sums, uint8_t* seen);

// Sets forest.block_from by measuring both ways on random rows, a few milliseconds; the answers are
// the same whatever it is.
template <typename T, typename A>
void ChooseBlocks(Forest<T, A>& forest);

// For each row and tree, the place of the leaf among the tree's nodes in breadth first order: for
// tests.
template <typename T, typename A>
void FindLeaves(const Forest<T, A>& forest, const T* values, size_t rows, uint32_t* leaves);

}  // namespace slipway::inference::trees
