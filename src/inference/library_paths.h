// SPDX-License-Identifier: Apache-2.0
// Where a runtime's shared library may lie when no setting names it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace slipway::inference {

// Files whose names begin with `name` ("libonnxruntime.so") beside the binary, in ../lib and in
// ../lib/slipway of it, the highest name first; then `built`, where the build found it (empty: it
// did not).
std::vector<std::string> LibraryPaths(std::string_view name, const std::string& built);

}  // namespace slipway::inference
