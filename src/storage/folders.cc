// SPDX-License-Identifier: Apache-2.0
// Used where an artifact gets its place on the local disk.
#include "storage/folders.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <string>
#include <string_view>

#include "base/files.h"
#include "base/status.h"

namespace slipway::storage {
namespace {

constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY;
constexpr int kFolderMode = 0750;

}  // namespace

base::Result<base::FileHandle> OpenFolder(const base::Directory& root, std::string_view path,
                                          MakeFolders make) {
  base::FileHandle folder = TRY(root.OpenFile(".", kFolderFlags));
  for (size_t start = 0; start < path.size();) {
    const size_t end = std::min(path.find('/', start), path.size());
    const std::string name(path.substr(start, end - start));
    if (make == MakeFolders::kYes) {
      if (mkdirat(folder.fd(), name.c_str(), kFolderMode) == 0) {
        if (fsync(folder.fd()) != 0) return base::FromErrno(errno, "fsync folder");
      } else if (errno != EEXIST) {
        return base::FromErrno(errno, "make folder " + std::string(path.substr(0, end)));
      }
    }
    folder = TRY(root.OpenFile(path.substr(0, end), kFolderFlags));
    start = end + 1;
  }
  return folder;
}

}  // namespace slipway::storage
