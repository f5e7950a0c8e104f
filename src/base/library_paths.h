// SPDX-License-Identifier: Apache-2.0
// Shared libraries that are opened while the server runs: where they may lie when no setting names
// them, and opening the first that can be.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace slipway::base {

// Files whose names begin with `name` ("libonnxruntime.so") beside the binary, in ../lib and in
// ../lib/slipway of it, the highest name first; then `built`, where the build found it (empty: it
// did not).
std::vector<std::string> LibraryPaths(std::string_view name, const std::string& built);

struct Library {
  void* handle = nullptr;  // of dlopen; never unmapped: its threads may outlive any one user
  std::string path;
};

// kFailedPrecondition (reason "library_missing"): none could be opened; the message is what the
// loader said of each.
Result<Library> OpenLibrary(const std::vector<std::string>& paths);

}  // namespace slipway::base
