// SPDX-License-Identifier: Apache-2.0
// Opening shared libraries and starting reads much of their code and tables once; the pages stay
// with the process.
#pragma once

#include <cstdint>

namespace slipway::base {

// Lets go of the pages of code, symbols and constants of the program and of every library that it
// has open; what is used again comes back from the page cache. Returns the bytes of address space
// that were let go. From any thread, at any time.
int64_t ReleaseLoaderPages();

}  // namespace slipway::base
