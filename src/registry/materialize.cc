// SPDX-License-Identifier: Apache-2.0
// A version's walk, towards serving: its files as a local folder, for runtimes that open files by
// path. Made under a temporary name and renamed when whole; checked against the manifest once per
// process, so that a damaged copy is made anew.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <vector>

#include "base/files.h"
#include "base/hash.h"
#include "base/status.h"
#include "registry/records.h"
#include "registry/registry.h"
#include "registry/state.h"
#include "storage/blobs.h"

namespace slipway::registry {
namespace {

namespace fs = std::filesystem;
constexpr size_t kBufferBytes = 1 << 20;

base::Status Differs(const ManifestFile& file, const std::string& how) {
  return base::Status(base::Code::kDataLoss, "file_differs",
                      "file '" + file.path + "' is not what was registered: " + how, file.path);
}

base::Status WriteAll(int fd, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t wrote = ::write(fd, data, size);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return base::FromErrno(errno, "write a local copy");
    data += wrote;
    size -= static_cast<size_t>(wrote);
  }
  return {};
}

base::Status CheckDigest(const ManifestFile& file, int64_t size_bytes, base::Sha256& hash) {
  if (size_bytes != file.size_bytes) {
    return Differs(
        file, std::to_string(size_bytes) + " bytes instead of " + std::to_string(file.size_bytes));
  }
  const std::string sha256 = hash.FinishHex();
  if (sha256 != file.sha256)
    return Differs(file, "SHA-256 " + sha256 + " instead of " + file.sha256);
  return {};
}

base::Status FetchFile(storage::Blobs& blobs, const std::string& key, const ManifestFile& file,
                       const base::Directory& folder) {
  const fs::path parent = fs::path(file.path).parent_path();
  if (!parent.empty()) TRY(base::CreateDirectories(folder.path() + "/" + parent.string()));
  const base::FileHandle out =
      TRY(folder.OpenFile(file.path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC));
  const std::unique_ptr<storage::BlobReader> reader = TRY(blobs.Open(key));
  std::vector<char> buffer(kBufferBytes);
  base::Sha256 hash;
  int64_t size_bytes = 0;
  for (;;) {
    const size_t got = TRY(reader->Read(buffer));
    if (got == 0) return CheckDigest(file, size_bytes, hash);
    hash.Update(std::string_view(buffer.data(), got));
    size_bytes += static_cast<int64_t>(got);
    TRY(WriteAll(out.fd(), buffer.data(), got));
  }
}

base::Status CheckLocalFile(const base::Directory& folder, const ManifestFile& file) {
  const base::FileHandle in = TRY(folder.OpenFile(file.path, O_RDONLY | O_CLOEXEC));
  std::vector<char> buffer(kBufferBytes);
  base::Sha256 hash;
  int64_t size_bytes = 0;
  for (;;) {
    // One copy is made or checked at a time; who wants the same one waits.
    const ssize_t got = ::read(  // NOLINT(clang-analyzer-unix.BlockInCriticalSection)
        in.fd(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return base::FromErrno(errno, "read a local copy");
    if (got == 0) return CheckDigest(file, size_bytes, hash);
    hash.Update(std::string_view(buffer.data(), static_cast<size_t>(got)));
    size_bytes += got;
  }
}

bool LocalCopyIsRight(const std::string& path, const Version& version) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return false;
  const base::Result<base::Directory> folder = base::Directory::Open(path, false);
  if (!folder.ok()) return false;
  for (const ManifestFile& file : version.files) {
    if (!CheckLocalFile(*folder, file).ok()) return false;
  }
  return true;
}

base::Status Fetch(storage::Blobs& blobs, const Version& version, const std::string& path) {
  std::error_code error;
  const std::string partial = path + ".partial";
  fs::remove_all(partial, error);
  fs::remove_all(path, error);
  const base::Directory folder = TRY(base::Directory::Open(partial, true));
  for (const ManifestFile& file : version.files) {
    TRY(FetchFile(blobs, version.Folder() + "/" + file.path, file, folder));
  }
  fs::rename(partial, path, error);
  if (error) return base::Internal("cache_failed", "rename '" + partial + "': " + error.message());
  return {};
}

}  // namespace

base::Result<std::string> Registry::Materialize(const Version& version) {
  if (version.status != "READY") {
    return base::FailedPrecondition("version_not_ready",
                                    "version " + std::to_string(version.number) + " of model '" +
                                        version.model + "' is " + version.status);
  }
  const std::string digest = base::Sha256Hex(ManifestJson(version.files).Dump()).substr(0, 16);
  const std::string path = state_->settings.cache_folder + "/" + version.model + "/v" +
                           std::to_string(version.number) + "-" + digest;
  const std::shared_ptr<std::mutex> lock = state_->LockOf(state_->copy_locks, path);
  const std::lock_guard hold(*lock);
  {
    const std::lock_guard state_hold(state_->mutex);
    if (state_->checked_copies.contains(path)) return path;
  }
  if (!LocalCopyIsRight(path, version)) TRY(Fetch(state_->blobs, version, path));
  const std::lock_guard state_hold(state_->mutex);
  state_->checked_copies.insert(path);
  return path;
}

}  // namespace slipway::registry
