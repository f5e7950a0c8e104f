// SPDX-License-Identifier: Apache-2.0
// Where another store's artifacts lie, and their bytes.
#include "transfer/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "base/status.h"
#include "storage/blobs.h"

namespace slipway::transfer {
namespace {

namespace fs = std::filesystem;
using base::Result;

constexpr size_t kPieceBytes = 1 << 20;
constexpr size_t kMostOpenBuckets = 8;
constexpr std::string_view kServed = "mlflow-artifacts:";

bool IsBucket(std::string_view location) {
  return location.starts_with("s3://") || location.starts_with("gs://");
}

using ReadPiece = std::function<Result<size_t>(std::span<char>)>;

base::Status HandOn(const ReadPiece& read,
                    const std::function<base::Status(std::span<const char>)>& take) {
  std::vector<char> piece(kPieceBytes);
  for (;;) {
    const size_t got = TRY(read(piece));
    if (got == 0) return {};
    TRY(take(std::span<const char>(piece.data(), got)));
  }
}

}  // namespace

Result<std::string> SourceFiles::FolderOf(const std::string& location) const {
  std::string_view rest = location;
  if (rest.starts_with(kServed)) {
    if (served_.empty()) {
      return base::FailedPrecondition(
          "artifacts_elsewhere",
          "'" + location +
              "' was served by a tracking server: say with --artifacts in which folder it kept "
              "them, or leave them out with --without-artifacts");
    }
    rest.remove_prefix(kServed.size());
    if (rest.starts_with("//")) rest.remove_prefix(std::min(rest.find('/', 2), rest.size()));
    return (fs::path(served_) / fs::path(rest).relative_path()).lexically_normal().string();
  }
  if (rest.starts_with("file://")) rest.remove_prefix(7);
  if (rest.starts_with("file:")) rest.remove_prefix(5);
  if (rest.find("://") == std::string_view::npos) return std::string(rest);
  return base::FailedPrecondition("artifacts_elsewhere",
                                  "artifacts at '" + location +
                                      "' cannot be read: expected a folder here, s3:// or gs://; "
                                      "leave them out with --without-artifacts");
}

Result<storage::Blobs*> SourceFiles::BucketOf(const std::string& location) {
  if (buckets_.size() > kMostOpenBuckets) buckets_.clear();
  std::unique_ptr<storage::Blobs>& bucket = buckets_[location];
  if (!bucket) bucket = TRY(open_bucket_(location));
  return bucket.get();
}

Result<std::vector<std::string>> SourceFiles::List(const std::string& location) {
  std::vector<std::string> paths;
  if (IsBucket(location)) {
    for (const storage::BlobInfo& file : TRY(TRY(BucketOf(location))->ListAll("")))
      paths.push_back(file.key);
    return paths;
  }
  const std::string folder = TRY(FolderOf(location));
  if (!fs::is_directory(folder)) return paths;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file() && !entry.is_symlink())
      paths.push_back(entry.path().lexically_relative(folder).string());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

base::Status SourceFiles::Read(const std::string& location, const std::string& path,
                               const std::function<base::Status(std::span<const char>)>& take) {
  if (IsBucket(location)) {
    const std::unique_ptr<storage::BlobReader> reader = TRY(TRY(BucketOf(location))->Open(path));
    return HandOn([&](std::span<char> buffer) { return reader->Read(buffer); }, take);
  }
  const std::string name = (fs::path(TRY(FolderOf(location))) / path).string();
  const base::FileHandle file(open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file.valid()) return base::FromErrno(errno, "open " + name);
  return HandOn(
      [&](std::span<char> buffer) -> Result<size_t> {
        for (;;) {
          const ssize_t got = read(file.fd(), buffer.data(), buffer.size());
          if (got >= 0) return static_cast<size_t>(got);
          if (errno != EINTR) return base::FromErrno(errno, "read " + name);
        }
      },
      take);
}

}  // namespace slipway::transfer
