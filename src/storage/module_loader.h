// SPDX-License-Identifier: Apache-2.0
// Opens the libraries that are built beside the binary (slipway_module in CMake). Private to this
// room.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace slipway::storage {

// The symbol of lib<...>.so. kFailedPrecondition (`reason`) saying what `needs` it. Thread-safe;
// a caller keeps what it got.
base::Result<void*> FindInModule(std::string_view library, const std::string& built,
                                 const char* symbol, const std::string& reason,
                                 std::string_view needs);
base::Status ModuleMissing(std::string_view library, const std::string& reason,
                           std::string_view needs, std::string_view why);

}  // namespace slipway::storage
