// SPDX-License-Identifier: Apache-2.0
// Before a runtime or the buckets are opened: where their library is looked for.
#include "base/library_paths.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/status.h"

namespace slipway::base {
namespace {

std::vector<std::string> LibrariesIn(const std::filesystem::path& folder, std::string_view name) {
  constexpr size_t kMostFiles = 10000;
  std::vector<std::string> found;
  std::error_code error;
  size_t seen = 0;
  for (std::filesystem::directory_iterator at(folder, error), end;
       !error && at != end && seen < kMostFiles; at.increment(error)) {
    ++seen;
    if (at->path().filename().string().starts_with(name)) found.push_back(at->path().string());
  }
  std::ranges::sort(found, std::greater<>());
  return found;
}

}  // namespace

std::vector<std::string> LibraryPaths(std::string_view name, const std::string& built) {
  std::vector<std::string> paths;
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) {
    const std::filesystem::path lib = self.parent_path().parent_path() / "lib";
    for (const auto& folder : {self.parent_path(), lib, lib / "slipway"}) {
      const auto found = LibrariesIn(folder, name);
      paths.insert(paths.end(), found.begin(), found.end());
    }
  }
  if (!built.empty()) paths.push_back(built);
  return paths;
}

Result<Library> OpenLibrary(const std::vector<std::string>& paths) {
  std::string tried;
  for (const std::string& path : paths) {
    void* const handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (handle != nullptr) return Library{handle, path};
    const char* why = dlerror();
    tried += (tried.empty() ? "" : "; ") + std::string(why != nullptr ? why : path.c_str());
  }
  return FailedPrecondition("library_missing", tried.empty() ? "there is no such file" : tried);
}

}  // namespace slipway::base
