// SPDX-License-Identifier: Apache-2.0
// Blobs: artifacts by key, write-once. Keys are relative paths ("models/fraud/v12/model.onnx"); a
// key with "..", a leading '/', an empty segment or a control character, or of more than
// kMaxKeyBytes, is kInvalidArgument (field "key").
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace slipway::storage {

inline constexpr size_t kMaxKeyBytes = 1024;
inline constexpr size_t kMaxListed =
    1'000'000;  // entries of one List or ListAll; past it kResourceExhausted

struct BlobInfo {
  std::string key;  // for List: below the asked prefix, relative to it
  int64_t size_bytes = 0;
  bool is_directory = false;
};

struct BlobDigest {
  int64_t size_bytes = 0;
  std::string sha256;  // hex
};

// Not thread-safe. Nothing is visible under the key until Publish; the destructor drops what was
// not published.
class BlobWriter {
 public:
  virtual ~BlobWriter() = default;
  virtual base::Status Append(std::span<const char> bytes) = 0;
  // Makes the bytes durable and visible in one step; at most once. kAlreadyExists (reason
  // "blob_exists") when the key holds something else; the same bytes again succeed. On S3 and GCS
  // the check and the upload are two requests: of two Publishes of different bytes under one key at
  // the same moment, the later upload wins. Keys that one writer chose anew are never so.
  virtual base::Result<BlobDigest> Publish() = 0;
};

class BlobReader {
 public:
  virtual ~BlobReader() = default;
  [[nodiscard]] virtual int64_t size_bytes() const = 0;
  virtual base::Result<size_t> Read(std::span<char> buffer) = 0;  // 0 at the end
};

// Thread-safe; blocks. Failures of a bucket's server are kUnavailable (reason "bucket_error").
class Blobs {
 public:
  virtual ~Blobs() = default;
  virtual base::Result<std::unique_ptr<BlobWriter>> Create(std::string_view key) = 0;
  virtual base::Result<std::unique_ptr<BlobReader>> Open(std::string_view key) = 0;  // kNotFound
  virtual base::Result<BlobInfo> Stat(std::string_view key) = 0;
  // Direct children of a folder, sorted by name; empty when there is none.
  virtual base::Result<std::vector<BlobInfo>> List(std::string_view folder) = 0;
  // Every file below a folder, sorted.
  virtual base::Result<std::vector<BlobInfo>> ListAll(std::string_view folder) = 0;
  virtual base::Status Remove(std::string_view key) = 0;  // a file, or a folder and all below it
  // What people see: "/data/artifacts/x", "s3://bucket/prefix/x".
  [[nodiscard]] virtual std::string UriOf(std::string_view key) const = 0;

  base::Result<BlobDigest> Put(std::string_view key, std::string_view bytes);
  base::Result<std::string> Get(std::string_view key, int64_t most_bytes);
  base::Result<BlobDigest> Digest(std::string_view key);  // reads it all
  // Copies all below `folder` into a local folder, which is made (runtimes open files by path).
  // kNotFound when there is nothing.
  base::Status CopyToLocal(std::string_view folder, const std::string& local_folder);
};

// A kind of store: one row in app/assembly.cc. `open` gets the whole URI.
struct BlobStore {
  std::string_view scheme;
  base::Result<std::unique_ptr<Blobs>> (*open)(const std::string& uri);
};

// "file:<path>" (relative: below the data folder), "s3://bucket/prefix?region=..." or
// "gs://bucket/prefix": as Arrow's URIs, of the schemes in `stores`. Credentials come from the
// environment, as each cloud's own tools take them.
base::Result<std::unique_ptr<Blobs>> OpenBlobs(const std::string& uri,
                                               const std::string& data_folder,
                                               std::span<const BlobStore> stores);

}  // namespace slipway::storage
