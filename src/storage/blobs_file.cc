// SPDX-License-Identifier: Apache-2.0
// A version's walk, embedded: its artifacts come to rest here. Bytes go to a temporary name, are
// made durable, and get their key in one rename that refuses an existing name; so a key is never
// half there and never changes.
#include "storage/blobs_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/hash.h"
#include "base/ids.h"
#include "base/status.h"
#include "storage/address.h"
#include "storage/blob_key.h"
#include "storage/blobs.h"
#include "storage/folders.h"

namespace slipway::storage {
namespace {

constexpr int64_t kStartEveryBytes = 8 << 20;
constexpr int kPublishAttempts = 8;
constexpr int kMaxDepth = static_cast<int>(kMaxKeyBytes / 2) + 1;

base::Status NoBlob(std::string_view key) {
  return base::NotFound("no_blob", "there is no " + std::string(key));
}

struct CloseFolder {
  void operator()(DIR* folder) const { closedir(folder); }
};

struct Entry {
  std::string name;
  bool is_directory = false;
  int64_t size_bytes = 0;
};

// Files and folders directly in an open folder, sorted.
base::Result<std::vector<Entry>> ReadFolder(int fd) {
  const int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);  // own read position
  if (copy < 0) return base::FromErrno(errno, "read folder");
  const std::unique_ptr<DIR, CloseFolder> folder(fdopendir(copy));
  if (!folder) {
    close(copy);
    return base::FromErrno(errno, "read folder");
  }
  std::vector<Entry> entries;
  errno = 0;
  while (const dirent* found = readdir(folder.get())) {
    const std::string_view name = found->d_name;
    struct stat info{};
    if (name == "." || name == "..") continue;
    if (fstatat(fd, found->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;  // removed meanwhile
    if (!S_ISDIR(info.st_mode) && !S_ISREG(info.st_mode)) continue;
    if (entries.size() == kMaxListed)
      return base::ResourceExhausted("too_many_blobs", "a folder has more than 1000000 entries");
    entries.push_back({std::string(name), S_ISDIR(info.st_mode),
                       S_ISDIR(info.st_mode) ? 0 : int64_t{info.st_size}});
    errno = 0;
  }
  if (errno != 0 && errno != ENOENT) return base::FromErrno(errno, "read folder");
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.name < b.name; });
  return entries;
}

class FileReader final : public BlobReader {
 public:
  FileReader(base::FileHandle file, int64_t size_bytes)
      : file_(std::move(file)), size_bytes_(size_bytes) {}
  [[nodiscard]] int64_t size_bytes() const override { return size_bytes_; }
  base::Result<size_t> Read(std::span<char> buffer) override {
    while (true) {
      const ssize_t size = read(file_.fd(), buffer.data(), buffer.size());
      if (size >= 0) return static_cast<size_t>(size);
      if (errno != EINTR) return base::FromErrno(errno, "read artifact");
    }
  }

 private:
  base::FileHandle file_;
  const int64_t size_bytes_;
};

class FileBlobs final : public Blobs {
 public:
  FileBlobs(base::Directory root, base::FileHandle incoming)
      : root_(std::move(root)), incoming_(std::move(incoming)) {}

  base::Result<std::unique_ptr<BlobWriter>> Create(std::string_view key) override;
  base::Result<std::unique_ptr<BlobReader>> Open(std::string_view key) override;
  base::Result<BlobInfo> Stat(std::string_view key) override;
  base::Result<std::vector<BlobInfo>> List(std::string_view folder) override;
  base::Result<std::vector<BlobInfo>> ListAll(std::string_view folder) override;
  base::Status Remove(std::string_view key) override;
  [[nodiscard]] std::string UriOf(std::string_view key) const override {
    return JoinKey(root_.path(), key);
  }

 private:
  friend class FileWriter;
  base::Status ListBelow(int fd, const std::string& prefix, int depth,
                         std::vector<BlobInfo>& files) const;
  static base::Status RemoveBelow(int fd, int depth);
  void RemoveEmptyParents(std::string_view key) const;

  const base::Directory root_;
  const base::FileHandle incoming_;
};

class FileWriter final : public BlobWriter {
 public:
  FileWriter(FileBlobs& blobs, std::string_view key, std::string temporary, base::FileHandle file)
      : blobs_(blobs), key_(key), temporary_(std::move(temporary)), file_(std::move(file)) {}
  ~FileWriter() override {
    if (!temporary_.empty()) unlinkat(blobs_.incoming_.fd(), temporary_.c_str(), 0);
  }

  base::Status Append(std::span<const char> bytes) override {
    std::string_view rest(bytes.data(), bytes.size());
    sha_.Update(rest);
    digest_.size_bytes += static_cast<int64_t>(rest.size());
    while (!rest.empty()) {
      const ssize_t written = write(file_.fd(), rest.data(), rest.size());
      if (written < 0 && errno != EINTR) return base::FromErrno(errno, "write " + key_);
      rest.remove_prefix(static_cast<size_t>(std::max<ssize_t>(written, 0)));
    }
    StartWriting();
    return base::Status::Ok();
  }

  base::Result<BlobDigest> Publish() override {
    CHECK(!temporary_.empty(), "Publish is called once");
    digest_.sha256 = sha_.FinishHex();
    if (fsync(file_.fd()) != 0) return base::FromErrno(errno, "fsync " + key_);
    const std::string name(NameOf(key_));
    for (int attempt = 1; true; ++attempt) {
      const base::FileHandle parent =
          TRY(OpenFolder(blobs_.root_, ParentOf(key_), MakeFolders::kYes));
      if (renameat2(blobs_.incoming_.fd(), temporary_.c_str(), parent.fd(), name.c_str(),
                    RENAME_NOREPLACE) == 0) {
        temporary_.clear();
      } else if (errno == EEXIST) {
        TRY(CheckSame());
      } else if (errno == ENOENT && attempt < kPublishAttempts) {
        continue;  // a Remove took the empty folder away meanwhile
      } else {
        return base::FromErrno(errno, "publish " + key_);
      }
      if (fsync(parent.fd()) != 0) return base::FromErrno(errno, "fsync folder of " + key_);
      return digest_;
    }
  }

 private:
  // The disk begins while the rest still comes, so that fsync finds little left to do. It is only a
  // hint: fsync says whether it went well.
  void StartWriting() {
    if (digest_.size_bytes - started_ < kStartEveryBytes) return;
    sync_file_range(file_.fd(), started_, digest_.size_bytes - started_, SYNC_FILE_RANGE_WRITE);
    started_ = digest_.size_bytes;
  }

  base::Status CheckSame() {
    auto held = blobs_.Digest(key_);
    if (held.ok() && held->sha256 == digest_.sha256) return base::Status::Ok();
    if (!held.ok() && held.status().code() != base::Code::kNotFound) return held.status();
    return base::AlreadyExists(
        "blob_exists", key_ + " exists and holds something else; artifacts are written once");
  }

  FileBlobs& blobs_;
  const std::string key_;
  std::string temporary_;  // its name in the incoming folder; empty once published
  base::FileHandle file_;
  base::Sha256 sha_;
  BlobDigest digest_;
  int64_t started_ = 0;  // bytes that the disk was told of
};

base::Result<std::unique_ptr<BlobWriter>> FileBlobs::Create(std::string_view key) {
  TRY(CheckKey(key));
  std::string temporary = base::RandomHex32();
  base::FileHandle file =
      TRY(root_.OpenFile(JoinKey(kIncoming, temporary), O_WRONLY | O_CREAT | O_EXCL));
  return std::unique_ptr<BlobWriter>(
      std::make_unique<FileWriter>(*this, key, std::move(temporary), std::move(file)));
}

base::Result<std::unique_ptr<BlobReader>> FileBlobs::Open(std::string_view key) {
  const BlobInfo info = TRY(Stat(key));
  if (info.is_directory) return NoBlob(key);
  base::FileHandle file = TRY(root_.OpenFile(key, O_RDONLY));
  return std::unique_ptr<BlobReader>(
      std::make_unique<FileReader>(std::move(file), info.size_bytes));
}

base::Result<BlobInfo> FileBlobs::Stat(std::string_view key) {
  TRY(CheckKey(key));
  auto file = root_.OpenFile(key, O_PATH);
  if (!file.ok()) {
    const bool below_a_file = errno == ENOTDIR;  // still openat2's
    return below_a_file || file.status().code() == base::Code::kNotFound ? NoBlob(key)
                                                                         : file.status();
  }
  struct stat info{};
  if (fstat(file->fd(), &info) != 0) return base::FromErrno(errno, "stat " + std::string(key));
  if (S_ISDIR(info.st_mode)) return BlobInfo{std::string(key), 0, true};
  return BlobInfo{std::string(key), info.st_size, false};
}

base::Result<std::vector<BlobInfo>> FileBlobs::List(std::string_view folder) {
  TRY(CheckFolder(folder));
  std::vector<BlobInfo> found;
  if (!folder.empty()) {
    auto info = Stat(folder);
    if (!info.ok() && info.status().code() != base::Code::kNotFound) return info.status();
    if (!info.ok() || !info->is_directory) return found;
  }
  const base::FileHandle handle = TRY(OpenFolder(root_, folder, MakeFolders::kNo));
  for (Entry& entry : TRY(ReadFolder(handle.fd()))) {
    if (folder.empty() && entry.name == kIncoming) continue;
    found.push_back({std::move(entry.name), entry.size_bytes, entry.is_directory});
  }
  return found;
}

base::Status FileBlobs::ListBelow(int fd, const std::string& prefix, int depth,
                                  std::vector<BlobInfo>& files) const {
  if (depth > kMaxDepth)
    return base::ResourceExhausted("too_deep",
                                   "folders below " + prefix + " are nested too deeply");
  for (const Entry& entry : TRY(ReadFolder(fd))) {
    if (depth == 0 && prefix.empty() && entry.name == kIncoming) continue;
    if (!entry.is_directory) {
      if (files.size() == kMaxListed)
        return base::ResourceExhausted("too_many_blobs", "more than 1000000 files");
      files.push_back({JoinKey(prefix, entry.name), entry.size_bytes, false});
      continue;
    }
    const base::FileHandle child(
        openat(fd, entry.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!child.valid() && errno == ENOENT) continue;
    if (!child.valid()) return base::FromErrno(errno, "open folder " + entry.name);
    TRY(ListBelow(child.fd(), JoinKey(prefix, entry.name), depth + 1, files));
  }
  return base::Status::Ok();
}

base::Result<std::vector<BlobInfo>> FileBlobs::ListAll(std::string_view folder) {
  TRY(CheckFolder(folder));
  std::vector<BlobInfo> files;
  if (!folder.empty()) {
    auto info = Stat(folder);
    if (!info.ok() && info.status().code() != base::Code::kNotFound) return info.status();
    if (!info.ok() || !info->is_directory) return files;
  }
  const base::FileHandle handle = TRY(OpenFolder(root_, folder, MakeFolders::kNo));
  TRY(ListBelow(handle.fd(), "", folder.empty() ? 0 : 1, files));
  std::sort(files.begin(), files.end(),
            [](const BlobInfo& a, const BlobInfo& b) { return a.key < b.key; });
  return files;
}

base::Status FileBlobs::RemoveBelow(int fd, int depth) {
  if (depth > kMaxDepth)
    return base::ResourceExhausted("too_deep", "folders are nested too deeply");
  for (const Entry& entry : TRY(ReadFolder(fd))) {
    if (entry.is_directory) {
      const base::FileHandle child(
          openat(fd, entry.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!child.valid()) return base::FromErrno(errno, "open folder " + entry.name);
      TRY(RemoveBelow(child.fd(), depth + 1));
    }
    if (unlinkat(fd, entry.name.c_str(), entry.is_directory ? AT_REMOVEDIR : 0) != 0) {
      return base::FromErrno(errno, "remove " + entry.name);
    }
  }
  return base::Status::Ok();
}

// A bucket has no empty folders; neither has this store. One that is filled meanwhile stays (rmdir
// refuses).
void FileBlobs::RemoveEmptyParents(std::string_view key) const {
  for (std::string_view parent = ParentOf(key); !parent.empty(); parent = ParentOf(parent)) {
    auto above = OpenFolder(root_, ParentOf(parent), MakeFolders::kNo);
    if (!above.ok() ||
        unlinkat(above->fd(), std::string(NameOf(parent)).c_str(), AT_REMOVEDIR) != 0)
      return;
  }
}

base::Status FileBlobs::Remove(std::string_view key) {
  const BlobInfo info = TRY(Stat(key));
  const base::FileHandle parent = TRY(OpenFolder(root_, ParentOf(key), MakeFolders::kNo));
  if (info.is_directory) {
    const base::FileHandle folder = TRY(OpenFolder(root_, key, MakeFolders::kNo));
    TRY(RemoveBelow(folder.fd(), 0));
  }
  const std::string name(NameOf(key));
  if (unlinkat(parent.fd(), name.c_str(), info.is_directory ? AT_REMOVEDIR : 0) != 0) {
    return base::FromErrno(errno, "remove " + std::string(key));
  }
  if (fsync(parent.fd()) != 0) return base::FromErrno(errno, "fsync folder of " + std::string(key));
  RemoveEmptyParents(key);
  return base::Status::Ok();
}

}  // namespace

base::Result<std::unique_ptr<Blobs>> OpenFileBlobs(const std::string& uri) {
  const std::string path = PathOfAddress(uri, "file");
  if (path.empty()) return base::InvalidArgument("uri", "artifacts: expected file:<path>");
  base::Directory root =
      TRY(base::Directory::Open(std::filesystem::absolute(path).lexically_normal().string(), true));
  base::FileHandle incoming = TRY(OpenFolder(root, kIncoming, MakeFolders::kYes));
  for (const Entry& entry : TRY(ReadFolder(incoming.fd())))
    unlinkat(incoming.fd(), entry.name.c_str(), 0);
  return std::unique_ptr<Blobs>(std::make_unique<FileBlobs>(std::move(root), std::move(incoming)));
}

}  // namespace slipway::storage
