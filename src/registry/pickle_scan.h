// SPDX-License-Identifier: Apache-2.0
// What unpickling some bytes would import, read from the opcodes without running any (the format:
// Lib/pickletools.py of CPython, protocols 0 to 5). Whatever cannot be told is told so: an
// importer whose name is computed, an opcode that is none, bytes that end early.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace slipway::registry {

struct PickleScan {
  std::set<std::string> imports;  // "numpy.ndarray", "posix.system"
  std::string unreadable;         // why not all could be read; empty: all was
};
// One pickle after the other, to the end of `bytes`.
PickleScan ScanPickle(std::string_view bytes);

// Whether a file holds pickles, by its name and first bytes; and what they would import: also those
// in a zip archive (torch.save) and of an array of objects (.npy).
bool MayHoldPickles(std::string_view path, std::string_view first_bytes);
PickleScan ScanFile(std::string_view bytes);

// Not among the modules that only make data of the usual libraries, nor allowed by a prefix
// ("my_package", "builtins.getattr").
bool IsUnsafeImport(std::string_view import, const std::vector<std::string>& allowed);

}  // namespace slipway::registry
