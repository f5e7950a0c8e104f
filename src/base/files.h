// SPDX-License-Identifier: Apache-2.0
// Files below a directory handle: openat2(RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS), so that no name
// can leave it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace slipway::base {

// Owns a file descriptor.
class FileHandle {
 public:
  FileHandle() = default;
  explicit FileHandle(int fd) : fd_(fd) {}
  ~FileHandle();
  FileHandle(FileHandle&& other) noexcept;
  FileHandle& operator=(FileHandle&& other) noexcept;
  int fd() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

class Directory {
 public:
  // Creates the folder (and its parents) when `create` is set.
  static Result<Directory> Open(const std::string& path, bool create);
  // `flags` as of open(2); relative names only. kInvalidArgument (reason "path_escapes") when the
  // name would leave the folder.
  Result<FileHandle> OpenFile(std::string_view name, int flags, int mode = 0640) const;
  const std::string& path() const { return path_; }
  int fd() const { return handle_.fd(); }

 private:
  FileHandle handle_;
  std::string path_;
};

Result<std::string> ReadFile(const std::string& path, int64_t most_bytes);
// Temporary name in the same folder, fsync, rename, fsync of the folder: a reader sees the old
// bytes or the new.
Status WriteFileAtomically(const std::string& path, std::string_view bytes);
Status CreateDirectories(const std::string& path);

}  // namespace slipway::base
