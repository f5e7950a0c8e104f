// SPDX-License-Identifier: Apache-2.0
// Prediction ids: ULIDs made without a lock or a system call per id, so that requests on different
// threads never meet.
#pragma once

#include <string>

#include "base/clock.h"

namespace slipway::serving {

// 26 characters, Crockford base 32: 48 bits of milliseconds, 80 random bits. Rises strictly within
// a thread; across threads ids sort by their millisecond. Thread-safe.
std::string NewPredictionId(base::Micros now);

}  // namespace slipway::serving
