// SPDX-License-Identifier: Apache-2.0
// Files below a directory handle: names from outside are opened here and cannot leave the folder.
#include "base/files.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/ids.h"

namespace slipway::base {

FileHandle::~FileHandle() {
  if (fd_ >= 0) close(fd_);
}

FileHandle::FileHandle(FileHandle&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

FileHandle& FileHandle::operator=(FileHandle&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) close(fd_);
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

namespace {

Status WriteAll(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return FromErrno(errno, "write " + path);
    }
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return Status::Ok();
}

Status WriteAndSync(const std::string& path, std::string_view bytes) {
  const FileHandle file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640));
  if (!file.valid()) return FromErrno(errno, "create " + path);
  TRY(WriteAll(file.fd(), bytes, path));
  if (fsync(file.fd()) != 0) return FromErrno(errno, "fsync " + path);
  return Status::Ok();
}

}  // namespace

Result<Directory> Directory::Open(const std::string& path, bool create) {
  if (create) TRY(CreateDirectories(path));
  Directory directory;
  directory.handle_ = FileHandle(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.handle_.valid()) return FromErrno(errno, "open folder " + path);
  directory.path_ = path;
  return directory;
}

Result<FileHandle> Directory::OpenFile(std::string_view name, int flags, int mode) const {
  const std::string text(name);
  const bool has_zero = text.find('\0') != std::string::npos;
  if (text.empty() || has_zero) {
    return InvalidArgument("name", "a file name must not be empty or hold a zero byte",
                           "path_escapes");
  }
  open_how how{};
  how.flags = static_cast<uint64_t>(static_cast<unsigned>(flags | O_CLOEXEC));
  const bool creates = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
  how.mode = creates ? static_cast<uint64_t>(static_cast<unsigned>(mode)) : 0;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  long fd = -1;
  do {
    fd = syscall(SYS_openat2, handle_.fd(), text.c_str(), &how, sizeof(how));
  } while (fd < 0 && (errno == EINTR || errno == EAGAIN));
  if (fd >= 0) return FileHandle(static_cast<int>(fd));
  if (errno == EXDEV || errno == ELOOP) {
    return InvalidArgument("name",
                           "\"" + text + "\" leads out of its folder or through a symbolic link",
                           "path_escapes");
  }
  return FromErrno(errno, "open " + path_ + "/" + text);
}

Result<std::string> ReadFile(const std::string& path, int64_t most_bytes) {
  const FileHandle file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return FromErrno(errno, "open " + path);
  std::string bytes;
  constexpr size_t kPiece = 256 * 1024;
  while (true) {
    const size_t have = bytes.size();
    bytes.resize(have + kPiece);
    const ssize_t got = read(file.fd(), bytes.data() + have, kPiece);
    if (got < 0 && errno == EINTR) {
      bytes.resize(have);
      continue;
    }
    if (got < 0) return FromErrno(errno, "read " + path);
    bytes.resize(have + static_cast<size_t>(got));
    if (got == 0) return bytes;
    if (static_cast<int64_t>(bytes.size()) > most_bytes) {
      return ResourceExhausted("file_too_large",
                               path + " is larger than " + std::to_string(most_bytes) + " bytes");
    }
  }
}

Status WriteFileAtomically(const std::string& path, std::string_view bytes) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const std::string temporary = path + ".tmp-" + RandomHex32();
  Status status = WriteAndSync(temporary, bytes);
  if (status.ok() && rename(temporary.c_str(), path.c_str()) != 0)
    status = FromErrno(errno, "rename to " + path);
  if (!status.ok()) {
    unlink(temporary.c_str());
    return status;
  }
  const FileHandle parent(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent.valid()) return FromErrno(errno, "open folder " + folder);
  if (fsync(parent.fd()) != 0) return FromErrno(errno, "fsync folder " + folder);
  return Status::Ok();
}

Status CreateDirectories(const std::string& path) {
  for (size_t end = path.find('/', 1); true; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    if (mkdir(part.c_str(), 0750) != 0 && errno != EEXIST)
      return FromErrno(errno, "create folder " + part);
    if (end == std::string::npos) break;
  }
  struct stat info{};
  if (stat(path.c_str(), &info) != 0) return FromErrno(errno, "create folder " + path);
  if (!S_ISDIR(info.st_mode)) return FromErrno(ENOTDIR, "create folder " + path);
  return Status::Ok();
}

}  // namespace slipway::base
