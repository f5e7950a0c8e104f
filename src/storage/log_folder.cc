// SPDX-License-Identifier: Apache-2.0
// A prediction's walk ends here: the write that makes its record survive the process.
#include "storage/log_folder.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
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

constexpr int64_t kPageBytes = 4096;
constexpr int64_t kWindowBytes = 256 * 1024;
constexpr int kPopulateWrite = 23;  // MADV_POPULATE_WRITE, younger than the headers may be

// Memory shared with the file where it grows: a record copied there is as safe from the process's
// end as a written one, for a tenth of the system call's price. Its blocks are taken beforehand, so
// that a full disk is an error here and no signal at a later store.
class Window {
 public:
  Window() = default;
  ~Window() { Close(); }
  Window(const Window&) = delete;
  Window& operator=(const Window&) = delete;

  bool holds(int64_t offset, size_t size) const {
    return bytes_ != nullptr && offset >= base_ &&
           offset + static_cast<int64_t>(size) <= base_ + kWindowBytes;
  }
  char* at(int64_t offset) const { return bytes_ + (offset - base_); }
  // Makes room for `size` bytes at `offset`; false when they must be written instead.
  bool Open(int fd, int64_t offset, size_t size) {
    const int64_t base = offset / kPageBytes * kPageBytes;
    if (!Usable(fd) || offset + static_cast<int64_t>(size) > base + kWindowBytes) return false;
    Close();
    if (fallocate(fd, 0, base, kWindowBytes) != 0) return false;
    void* bytes = mmap(nullptr, kWindowBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, base);
    if (bytes == MAP_FAILED) return false;
    bytes_ = static_cast<char*>(bytes);
    base_ = base;
    // All pages at once; an old kernel does it one by one, when they are stored to.
    if (madvise(bytes_, kWindowBytes, kPopulateWrite) == 0 || errno == EINVAL) return true;
    Close();
    return false;
  }
  void Close() {
    if (bytes_ != nullptr) munmap(bytes_, kWindowBytes);
    bytes_ = nullptr;
  }

 private:
  // Where taken blocks stay taken; others copy on write, or take none beforehand.
  bool Usable(int fd) {
    if (!asked_) {
      struct statfs info{};
      usable_ =
          fstatfs(fd, &info) == 0 && (info.f_type == EXT4_SUPER_MAGIC ||
                                      info.f_type == XFS_SUPER_MAGIC || info.f_type == TMPFS_MAGIC);
      asked_ = true;
    }
    return usable_;
  }

  char* bytes_ = nullptr;
  int64_t base_ = 0;
  bool asked_ = false;
  bool usable_ = false;
};

class DiskFile final : public LogFile {
 public:
  DiskFile(base::FileHandle file, std::string name)
      : file_(std::move(file)), name_(std::move(name)) {}
  // What was taken beforehand and not used is given back. A crash leaves it as zeros.
  ~DiskFile() override {
    window_.Close();
    if (ahead_) (void)!ftruncate(file_.fd(), end_);
  }

  base::Result<size_t> WriteAt(int64_t offset, std::string_view first,
                               std::string_view second) override {
    const size_t size = first.size() + second.size();
    if (window_.holds(offset, size) || OpenWindow(offset, size)) {
      char* to = window_.at(offset);
      // The checksum, in `first`, makes a record whole: it is not trusted before all of it is
      // there.
      std::memcpy(to + first.size(), second.data(), second.size());
      std::memcpy(to, first.data(), first.size());
      end_ = std::max(end_, offset + static_cast<int64_t>(size));
      return size;
    }
    const size_t written = TRY(Write(offset, first, second));
    end_ = std::max(end_, offset + static_cast<int64_t>(written));
    return written;
  }
  base::Status Sync() override {
    return fdatasync(file_.fd()) == 0 ? base::Status::Ok()
                                      : base::FromErrno(errno, "fdatasync " + name_);
  }
  base::Status Truncate(int64_t size_bytes) override {
    window_.Close();
    if (ftruncate(file_.fd(), size_bytes) != 0) return base::FromErrno(errno, "truncate " + name_);
    end_ = size_bytes;
    ahead_ = false;
    return base::Status::Ok();
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
    if (ahead_) return end_;
    struct stat info{};
    if (fstat(file_.fd(), &info) != 0) return base::FromErrno(errno, "stat " + name_);
    return int64_t{info.st_size};
  }

 private:
  // Only where the file ends: what stands behind would be taken for unused. A file's first bytes
  // are written: a process that ends between the two steps of a window would leave zeros, which
  // look like a damaged beginning, where it leaves an empty file now.
  bool OpenWindow(int64_t offset, size_t size) {
    if (offset == 0) return false;
    if (!ahead_) {
      struct stat info{};
      if (fstat(file_.fd(), &info) != 0 || info.st_size != offset) return false;
      end_ = offset;
    } else if (offset != end_) {
      return false;
    }
    ahead_ = true;
    return window_.Open(file_.fd(), offset, size);
  }
  base::Result<size_t> Write(int64_t offset, std::string_view first, std::string_view second) {
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
  base::FileHandle file_;
  const std::string name_;
  Window window_;
  bool ahead_ = false;  // the file may be longer than what was written
  int64_t end_ = 0;     // of what was written, when `ahead_`
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
