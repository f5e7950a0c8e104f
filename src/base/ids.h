// SPDX-License-Identifier: Apache-2.0
// Ids. Thread-safe.
#pragma once

#include <string>

#include "base/clock.h"

namespace slipway::base {

// 32 lower-case hex digits, random: MLflow's run id.
std::string RandomHex32();
// A ULID (26 characters, Crockford base 32): sorts by time, then random; strictly increasing within
// a process.
std::string NewUlid(Micros now);

}  // namespace slipway::base
