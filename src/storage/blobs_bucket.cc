// SPDX-License-Identifier: Apache-2.0
// A version's walk, in a fleet: the first bucket brings the library that speaks S3 and GCS.
#include "storage/blobs_bucket.h"

#include <dlfcn.h>

#include <memory>
#include <mutex>
#include <string>

#include "base/library_paths.h"
#include "base/status.h"
#include "slipway_build_config.h"
#include "storage/blobs.h"
#include "storage/buckets_module.h"

namespace slipway::storage {
namespace {

base::Status Missing(const std::string& why) {
  return base::FailedPrecondition(
      "buckets_missing",
      "S3 and GCS need libslipway_buckets.so, which is installed with slipway: " + why);
}

struct Module {
  OpenBucket open = nullptr;
};

base::Result<Module> FindModule() {
  static std::mutex mutex;
  static Module module;
  const std::lock_guard lock(mutex);
  if (module.open != nullptr) return module;
  const auto library =
      base::OpenLibrary(base::LibraryPaths("libslipway_buckets.so", SLIPWAY_DEFAULT_BUCKETS));
  if (!library.ok()) return Missing(library.status().message());
  module.open = reinterpret_cast<OpenBucket>(dlsym(library->handle, kOpenBucketName));
  if (module.open == nullptr) return Missing(library->path + " has no " + kOpenBucketName);
  return module;
}

}  // namespace

base::Result<std::unique_ptr<Blobs>> OpenBucketBlobs(const std::string& uri) {
  const Module module = TRY(FindModule());
  base::Result<std::unique_ptr<Blobs>> opened = std::unique_ptr<Blobs>();
  if (!module.open(SLIPWAY_VERSION, uri, opened))
    return Missing("the one found is not of version " SLIPWAY_VERSION);
  return opened;
}

}  // namespace slipway::storage
