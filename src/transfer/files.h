// SPDX-License-Identifier: Apache-2.0
// SourceFiles: the files below an artifact location of another store: a folder here ("/x",
// "file:///x"), what a tracking server served from one ("mlflow-artifacts:/x", with the folder it
// kept them in), or a bucket ("s3://...", "gs://..."). Not thread-safe.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "storage/blobs.h"

namespace slipway::transfer {

using OpenBucket =
    std::function<base::Result<std::unique_ptr<storage::Blobs>>(const std::string& uri)>;

class SourceFiles {
 public:
  // `served`: what "mlflow-artifacts:/" stands for; may be empty.
  SourceFiles(std::string served, OpenBucket open_bucket)
      : served_(std::move(served)), open_bucket_(std::move(open_bucket)) {}

  // Paths relative to the location, sorted; none when there is nothing. kFailedPrecondition (reason
  // "artifacts_elsewhere") when the location cannot be read from here.
  base::Result<std::vector<std::string>> List(const std::string& location);
  // Hands a file's bytes on, piece by piece.
  base::Status Read(const std::string& location, const std::string& path,
                    const std::function<base::Status(std::span<const char>)>& take);

 private:
  base::Result<std::string> FolderOf(const std::string& location) const;
  base::Result<storage::Blobs*> BucketOf(const std::string& location);

  const std::string served_;
  const OpenBucket open_bucket_;
  std::map<std::string, std::unique_ptr<storage::Blobs>> buckets_;  // by location
};

}  // namespace slipway::transfer
