// SPDX-License-Identifier: Apache-2.0
// A prediction's walk ends here: the write that makes its record survive the process.
#include "storage/log_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/status.h"

namespace slipway::storage {
namespace {

class DiskFile final : public LogFile {
 public:
  DiskFile(base::FileHandle file, std::string name)
      : file_(std::move(file)), name_(std::move(name)) {}

  base::Result<size_t> WriteAt(int64_t offset, std::string_view first,
                               std::string_view second) override {
    // writev only reads the bytes.
    const std::array<iovec, 2> parts = {{{const_cast<char*>(first.data()), first.size()},
                                         {const_cast<char*>(second.data()), second.size()}}};
    while (true) {
      const ssize_t written =
          pwritev(file_.fd(), parts.data(), static_cast<int>(parts.size()), offset);
      if (written >= 0) return static_cast<size_t>(written);
      if (errno != EINTR) return base::FromErrno(errno, "write " + name_);
    }
  }
  base::Status Sync() override {
    return fdatasync(file_.fd()) == 0 ? base::Status::Ok()
                                      : base::FromErrno(errno, "fdatasync " + name_);
  }
  base::Status Truncate(int64_t size_bytes) override {
    return ftruncate(file_.fd(), size_bytes) == 0 ? base::Status::Ok()
                                                  : base::FromErrno(errno, "truncate " + name_);
  }
  base::Result<size_t> ReadAt(int64_t offset, std::span<char> buffer) const override {
    size_t filled = 0;
    while (filled < buffer.size()) {
      const ssize_t size = pread(file_.fd(), buffer.data() + filled, buffer.size() - filled,
                                 offset + static_cast<int64_t>(filled));
      if (size < 0 && errno == EINTR) continue;
      if (size < 0) return base::FromErrno(errno, "read " + name_);
      if (size == 0) break;
      filled += static_cast<size_t>(size);
    }
    return filled;
  }
  base::Result<int64_t> SizeBytes() const override {
    struct stat info{};
    if (fstat(file_.fd(), &info) != 0) return base::FromErrno(errno, "stat " + name_);
    return int64_t{info.st_size};
  }

 private:
  base::FileHandle file_;
  const std::string name_;
};

class DiskFolder final : public LogFolder {
 public:
  explicit DiskFolder(base::Directory directory) : directory_(std::move(directory)) {}

  base::Result<std::unique_ptr<LogFile>> Open(const std::string& name, LogFileMode mode) override {
    const int flags = O_RDWR | (mode == LogFileMode::kCreateEmpty ? O_CREAT | O_TRUNC : 0);
    base::FileHandle file = TRY(directory_.OpenFile(name, flags));
    return std::unique_ptr<LogFile>(
        std::make_unique<DiskFile>(std::move(file), directory_.path() + "/" + name));
  }
  base::Result<std::vector<std::string>> List() const override {
    std::vector<std::string> names;
    std::error_code error;
    for (std::filesystem::directory_iterator at(directory_.path(), error), end; !error && at != end;
         at.increment(error)) {
      names.push_back(at->path().filename().string());
    }
    if (error) return base::FromErrno(error.value(), "list " + directory_.path());
    return names;
  }
  base::Status Remove(const std::string& name) override {
    return unlinkat(directory_.fd(), name.c_str(), 0) == 0
               ? base::Status::Ok()
               : base::FromErrno(errno, "remove " + name);
  }
  base::Status Sync() override {
    return fsync(directory_.fd()) == 0 ? base::Status::Ok()
                                       : base::FromErrno(errno, "fsync " + directory_.path());
  }

 private:
  const base::Directory directory_;  // its lock goes with it
};

}  // namespace

base::Result<std::unique_ptr<LogFolder>> OpenLogFolder(const std::string& path) {
  base::Directory directory = TRY(base::Directory::Open(path, true));
  if (flock(directory.fd(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK)
      return base::FailedPrecondition("in_use", path + " is open in another process");
    return base::FromErrno(errno, "lock " + path);
  }
  return std::unique_ptr<LogFolder>(std::make_unique<DiskFolder>(std::move(directory)));
}

}  // namespace slipway::storage
