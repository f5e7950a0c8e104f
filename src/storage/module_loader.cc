// SPDX-License-Identifier: Apache-2.0
// When something heavy is first needed: the library that holds it is opened.
#include "storage/module_loader.h"

#include <dlfcn.h>

#include <string>
#include <string_view>

#include "base/library_paths.h"
#include "base/status.h"

namespace slipway::storage {

base::Status ModuleMissing(std::string_view library, const std::string& reason,
                           std::string_view needs, std::string_view why) {
  return base::FailedPrecondition(reason,
                                  std::string(needs) + " " + std::string(library) +
                                      ", which is installed with slipway: " + std::string(why));
}

base::Result<void*> FindInModule(std::string_view library, const std::string& built,
                                 const char* symbol, const std::string& reason,
                                 std::string_view needs) {
  const auto opened = base::OpenLibrary(base::LibraryPaths(library, built));
  if (!opened.ok()) return ModuleMissing(library, reason, needs, opened.status().message());
  void* found = dlsym(opened->handle, symbol);
  if (found == nullptr)
    return ModuleMissing(library, reason, needs, opened->path + " has no " + symbol);
  return found;
}

}  // namespace slipway::storage
