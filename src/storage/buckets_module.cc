// SPDX-License-Identifier: Apache-2.0
// A version's walk, in a fleet: its artifacts come to rest in a bucket. Built as a library of its
// own, libslipway_buckets.so. An upload is spooled to a nameless local file first, so that its
// digest is known, nothing half-done is ever in the bucket, and an existing key can be compared
// before it is touched.
#include "storage/buckets_module.h"

#include <arrow/filesystem/filesystem.h>
#include <arrow/filesystem/gcsfs.h>
#include <arrow/filesystem/s3fs.h>
#include <arrow/io/interfaces.h>
#include <arrow/result.h>
#include <arrow/status.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/status.h"
#include "slipway_build_config.h"
#include "storage/blob_key.h"
#include "storage/blobs.h"

namespace slipway::storage {
namespace {

constexpr size_t kPieceBytes = 256 * 1024;
constexpr double kRetrySeconds = 30;  // GCS; Arrow's default is 15 minutes
constexpr int kS3Attempts = 4;

namespace fs = arrow::fs;

base::Status StatusOf(const arrow::Status& status, std::string_view doing) {
  const std::string text = std::string(doing) + ": " + status.message();
  if (status.IsInvalid()) return base::InvalidArgument("uri", text);
  return base::Unavailable("bucket_error", text);
}

base::Status StartS3() {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  if (fs::IsS3Initialized()) return base::Status::Ok();
  fs::S3GlobalOptions options = fs::S3GlobalOptions::Defaults();
  options.log_level = fs::S3LogLevel::Off;  // what fails comes back as a Status
  const arrow::Status started = fs::InitializeS3(options);
  return started.ok() ? base::Status::Ok() : StatusOf(started, "start S3");
}

// Arrow's S3 layer must end before its own static objects do. The last of them is made with the
// first client, so this comes after that: exit handlers run last in, first out.
void EndS3AtExit() {
  static std::once_flag once;
  std::call_once(once, [] { std::atexit([] { (void)fs::EnsureS3Finalized(); }); });
}

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using Spool = std::unique_ptr<std::FILE, CloseFile>;

class ArrowReader final : public BlobReader {
 public:
  ArrowReader(std::shared_ptr<arrow::io::InputStream> stream, int64_t size_bytes)
      : stream_(std::move(stream)), size_bytes_(size_bytes) {}
  [[nodiscard]] int64_t size_bytes() const override { return size_bytes_; }
  base::Result<size_t> Read(std::span<char> buffer) override {
    const auto size = stream_->Read(static_cast<int64_t>(buffer.size()), buffer.data());
    if (!size.ok()) return StatusOf(size.status(), "read artifact");
    return static_cast<size_t>(*size);
  }

 private:
  std::shared_ptr<arrow::io::InputStream> stream_;
  const int64_t size_bytes_;
};

class ArrowBlobs final : public Blobs {
 public:
  ArrowBlobs(std::shared_ptr<fs::FileSystem> files, std::string scheme, std::string base)
      : files_(std::move(files)), scheme_(std::move(scheme)), base_(std::move(base)) {}

  base::Status CheckReachable();
  base::Result<std::unique_ptr<BlobWriter>> Create(std::string_view key) override;
  base::Result<std::unique_ptr<BlobReader>> Open(std::string_view key) override;
  base::Result<BlobInfo> Stat(std::string_view key) override;
  base::Result<std::vector<BlobInfo>> List(std::string_view folder) override;
  base::Result<std::vector<BlobInfo>> ListAll(std::string_view folder) override {
    return Select(folder, true);
  }
  base::Status Remove(std::string_view key) override;
  [[nodiscard]] std::string UriOf(std::string_view key) const override {
    return scheme_ + "://" + PathOf(key);
  }

  // Uploads the spooled bytes; visible when this returns, or not at all.
  base::Status Upload(std::string_view key, std::FILE* spool);

 private:
  [[nodiscard]] std::string PathOf(std::string_view key) const { return JoinKey(base_, key); }
  base::Result<std::vector<BlobInfo>> Select(std::string_view folder, bool recursive);
  arrow::Status RemoveFolder(std::string_view folder);
  base::Status RemoveEmptyParents(std::string_view key);

  const std::shared_ptr<fs::FileSystem> files_;
  const std::string scheme_;
  const std::string base_;  // "bucket/prefix"
  // Arrow's GCS lists and deletes only folders that have a marker object, and we make none.
  const bool knows_folders_ = scheme_ == "s3";
};

class ArrowWriter final : public BlobWriter {
 public:
  ArrowWriter(ArrowBlobs& blobs, std::string_view key, Spool spool)
      : blobs_(blobs), key_(key), spool_(std::move(spool)) {}

  base::Status Append(std::span<const char> bytes) override {
    if (std::fwrite(bytes.data(), 1, bytes.size(), spool_.get()) != bytes.size()) {
      return base::FromErrno(errno, "spool " + key_);
    }
    sha_.Update(std::string_view(bytes.data(), bytes.size()));
    digest_.size_bytes += static_cast<int64_t>(bytes.size());
    return base::Status::Ok();
  }

  base::Result<BlobDigest> Publish() override {
    CHECK(spool_ != nullptr, "Publish is called once");
    const Spool spool = std::move(spool_);
    digest_.sha256 = sha_.FinishHex();
    if (std::fflush(spool.get()) != 0 || std::fseek(spool.get(), 0, SEEK_SET) != 0) {
      return base::FromErrno(errno, "spool " + key_);
    }
    const auto held = blobs_.Stat(key_);
    if (!held.ok() && held.status().code() != base::Code::kNotFound) return held.status();
    if (!held.ok()) {
      TRY(blobs_.Upload(key_, spool.get()));
      return digest_;
    }
    if (!held->is_directory && held->size_bytes == digest_.size_bytes &&
        TRY(blobs_.Digest(key_)).sha256 == digest_.sha256) {
      return digest_;
    }
    return base::AlreadyExists(
        "blob_exists", key_ + " exists and holds something else; artifacts are written once");
  }

 private:
  ArrowBlobs& blobs_;
  const std::string key_;
  Spool spool_;
  base::Sha256 sha_;
  BlobDigest digest_;
};

base::Status ArrowBlobs::CheckReachable() {
  const std::string bucket = base_.substr(0, base_.find('/'));
  const auto info = files_->GetFileInfo(bucket);
  if (!info.ok()) return StatusOf(info.status(), "open " + scheme_ + "://" + base_);
  if (info->type() == fs::FileType::NotFound) {
    return base::FailedPrecondition("no_bucket", "there is no bucket " + bucket);
  }
  return base::Status::Ok();
}

base::Result<std::unique_ptr<BlobWriter>> ArrowBlobs::Create(std::string_view key) {
  TRY(CheckKey(key));
  Spool spool(std::tmpfile());
  if (!spool) return base::FromErrno(errno, "make a temporary file");
  return std::unique_ptr<BlobWriter>(std::make_unique<ArrowWriter>(*this, key, std::move(spool)));
}

base::Status ArrowBlobs::Upload(std::string_view key, std::FILE* spool) {
  const std::string doing = "upload " + UriOf(key);
  const auto opened = files_->OpenOutputStream(PathOf(key));
  if (!opened.ok()) return StatusOf(opened.status(), doing);
  arrow::io::OutputStream& stream = **opened;
  std::string piece(kPieceBytes, '\0');
  while (true) {
    const size_t size = std::fread(piece.data(), 1, piece.size(), spool);
    if (size == 0) break;
    const arrow::Status written = stream.Write(piece.data(), static_cast<int64_t>(size));
    if (!written.ok()) {
      (void)stream.Abort();
      return StatusOf(written, doing);
    }
  }
  if (std::ferror(spool) != 0) {
    (void)stream.Abort();
    return base::FromErrno(errno, "read spooled bytes");
  }
  const arrow::Status closed = stream.Close();
  return closed.ok() ? base::Status::Ok() : StatusOf(closed, doing);
}

base::Result<std::unique_ptr<BlobReader>> ArrowBlobs::Open(std::string_view key) {
  const BlobInfo info = TRY(Stat(key));
  if (info.is_directory) return base::NotFound("no_blob", "there is no " + std::string(key));
  const auto stream = files_->OpenInputStream(PathOf(key));
  if (!stream.ok()) return StatusOf(stream.status(), "open " + UriOf(key));
  return std::unique_ptr<BlobReader>(std::make_unique<ArrowReader>(*stream, info.size_bytes));
}

base::Result<BlobInfo> ArrowBlobs::Stat(std::string_view key) {
  TRY(CheckKey(key));
  const auto info = files_->GetFileInfo(PathOf(key));
  if (!info.ok()) return StatusOf(info.status(), "look for " + UriOf(key));
  if (info->type() == fs::FileType::NotFound)
    return base::NotFound("no_blob", "there is no " + std::string(key));
  if (info->type() == fs::FileType::Directory) return BlobInfo{std::string(key), 0, true};
  return BlobInfo{std::string(key), info->size(), false};
}

base::Result<std::vector<BlobInfo>> ArrowBlobs::Select(std::string_view folder, bool recursive) {
  TRY(CheckFolder(folder));
  fs::FileSelector selector;
  selector.base_dir = PathOf(folder);
  selector.recursive = recursive;
  selector.allow_not_found = true;
  const auto found = files_->GetFileInfo(selector);
  if (!found.ok()) return StatusOf(found.status(), "list " + UriOf(folder));
  if (found->size() > kMaxListed)
    return base::ResourceExhausted("too_many_blobs", "more than 1000000 entries");
  std::vector<BlobInfo> infos;
  for (const fs::FileInfo& info : *found) {
    const bool is_directory = info.type() == fs::FileType::Directory;
    if (recursive && is_directory) continue;
    if (info.path().size() <= selector.base_dir.size()) continue;  // the folder's own marker
    infos.push_back({info.path().substr(selector.base_dir.size() + 1),
                     is_directory ? 0 : info.size(), is_directory});
  }
  std::sort(infos.begin(), infos.end(),
            [](const BlobInfo& a, const BlobInfo& b) { return a.key < b.key; });
  return infos;
}

base::Result<std::vector<BlobInfo>> ArrowBlobs::List(std::string_view folder) {
  if (knows_folders_) return Select(folder, false);
  std::vector<BlobInfo> children;
  for (BlobInfo& info : TRY(Select(folder, true))) {
    const size_t slash = info.key.find('/');
    if (slash != std::string::npos) info = {info.key.substr(0, slash), 0, true};
    if (children.empty() || children.back().key != info.key) children.push_back(std::move(info));
  }
  // Whole paths sort otherwise than first segments ("a.txt" < "a/b" but "a" < "a.txt").
  std::sort(children.begin(), children.end(),
            [](const BlobInfo& a, const BlobInfo& b) { return a.key < b.key; });
  const auto same = [](const BlobInfo& a, const BlobInfo& b) { return a.key == b.key; };
  children.erase(std::unique(children.begin(), children.end(), same), children.end());
  return children;
}

// Arrow leaves a marker object for a folder whose last file went; the other stores have no empty
// folders.
base::Status ArrowBlobs::RemoveEmptyParents(std::string_view key) {
  for (std::string_view parent = ParentOf(key); !parent.empty(); parent = ParentOf(parent)) {
    if (!TRY(List(parent)).empty()) break;
    const auto info = files_->GetFileInfo(PathOf(parent));
    if (!info.ok()) return StatusOf(info.status(), "look for " + UriOf(parent));
    if (info->type() != fs::FileType::Directory) continue;
    const arrow::Status removed = files_->DeleteDir(PathOf(parent));
    if (!removed.ok()) return StatusOf(removed, "remove " + UriOf(parent));
  }
  return base::Status::Ok();
}

arrow::Status ArrowBlobs::RemoveFolder(std::string_view folder) {
  if (knows_folders_) return files_->DeleteDir(PathOf(folder));
  fs::FileSelector selector;
  selector.base_dir = PathOf(folder);
  selector.recursive = true;
  ARROW_ASSIGN_OR_RAISE(const auto found, files_->GetFileInfo(selector));
  for (const fs::FileInfo& info : found) {
    if (info.IsFile()) ARROW_RETURN_NOT_OK(files_->DeleteFile(info.path()));
  }
  return arrow::Status::OK();
}

base::Status ArrowBlobs::Remove(std::string_view key) {
  const BlobInfo info = TRY(Stat(key));
  const arrow::Status removed =
      info.is_directory ? RemoveFolder(key) : files_->DeleteFile(PathOf(key));
  if (!removed.ok()) return StatusOf(removed, "remove " + UriOf(key));
  return knows_folders_ ? RemoveEmptyParents(key) : base::Status::Ok();
}

arrow::Result<std::shared_ptr<fs::FileSystem>> OpenFileSystem(const std::string& uri,
                                                              std::string* path) {
  if (uri.starts_with("s3://")) {
    ARROW_ASSIGN_OR_RAISE(auto options, fs::S3Options::FromUri(uri, path));
    options.allow_delayed_open = true;  // a small artifact is one PUT
    options.retry_strategy = fs::S3RetryStrategy::GetAwsStandardRetryStrategy(kS3Attempts);
    ARROW_ASSIGN_OR_RAISE(auto files, fs::S3FileSystem::Make(options));
    EndS3AtExit();
    return files;
  }
  ARROW_ASSIGN_OR_RAISE(auto options, fs::GcsOptions::FromUri(uri, path));
  if (!options.retry_limit_seconds) options.retry_limit_seconds = kRetrySeconds;
  return fs::GcsFileSystem::Make(options);
}

base::Result<std::unique_ptr<Blobs>> OpenArrowBlobs(const std::string& uri) {
  const std::string scheme = uri.substr(0, uri.find(':'));
  if (scheme == "s3") TRY(StartS3());
  std::string path;
  const auto files = OpenFileSystem(uri, &path);
  if (!files.ok()) return StatusOf(files.status(), "open a bucket");
  while (path.ends_with('/')) path.pop_back();
  if (path.empty()) return base::InvalidArgument("uri", "expected " + scheme + "://bucket/prefix");
  auto blobs = std::make_unique<ArrowBlobs>(*files, scheme, path);
  TRY(blobs->CheckReachable());
  return std::unique_ptr<Blobs>(std::move(blobs));
}

}  // namespace

// Of the type OpenBucket.
extern "C" __attribute__((visibility("default"))) bool slipway_open_bucket(
    const std::string& version, const std::string& uri,
    base::Result<std::unique_ptr<Blobs>>& opened) {
  if (version != SLIPWAY_VERSION) return false;
  opened = OpenArrowBlobs(uri);
  return true;
}

}  // namespace slipway::storage
