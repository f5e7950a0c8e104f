// SPDX-License-Identifier: Apache-2.0
// Opening a shared library reads its symbols and relocations once; the pages stay with the process.
#pragma once

#include <cstdint>

namespace slipway::base {

// Lets go of the unchanged read-only pages (symbols, relocations, constants) of every file that is
// mapped privately; what is read again comes back from the page cache. Returns the bytes that were
// resident. Not while another thread opens or closes a library.
int64_t ReleaseLoaderPages();

}  // namespace slipway::base
