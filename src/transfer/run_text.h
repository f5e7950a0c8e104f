// SPDX-License-Identifier: Apache-2.0
// A run as one text that is the same whenever all that the run holds is the same.
#pragma once

#include <string>

#include "tracking/import.h"

namespace slipway::transfer {

// Sorts what has no order of its own, leaves out what stands twice, and holds numbers to what the
// store can keep.
void Normalize(tracking::FullRun& run);
// SHA-256 over everything of a normalized run.
std::string DigestOf(const tracking::FullRun& run);

}  // namespace slipway::transfer
