// SPDX-License-Identifier: Apache-2.0
// Twigs: trees in pieces of three levels, for a few rows (see forest.h). A twig's seven tests are
// made at once and their outcomes looked up, so a row takes one step where it would take three.
#pragma once

#include <cstddef>

#include "inference/trees/forest.h"

namespace slipway::inference::trees {

inline constexpr size_t kMostTwigBytes = size_t{64} << 20;  // of a forest

// How many slots may be read when a row has `slots` of them: the next size that there are
// instructions for; 0: too many.
template <typename T>
constexpr size_t TwigSlots(size_t slots) {
  const size_t fewest = 32, most = sizeof(T) == sizeof(float) ? 128 : 64;
  size_t fits = fewest;
  while (fits < slots) fits *= 2;
  return fits <= most ? fits : 0;
}

// Whether the processor and the forest are ones for twigs.
template <typename T, typename A>
bool TwigsFit(const Forest<T, A>& forest) {
  return forest.simd == Simd::kAvx512 && forest.plain && forest.specials.empty() &&
         TwigSlots<T>(forest.slots.size()) != 0;
}

// Adds the twigs of all trees, laid out from their nodes; nothing where they do not fit.
template <typename T, typename A>
void AddTwigs(Forest<T, A>& forest);

// Adds each tree's leaf for one row to `sums`, in the order of the trees. TwigSlots() of `slots`
// may be read. The forest has twigs.
template <typename T, typename A>
void AddByTwigs(const Forest<T, A>& forest, const T* slots, A* sums);

}  // namespace slipway::inference::trees
