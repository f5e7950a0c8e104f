// SPDX-License-Identifier: Apache-2.0
// A version's walk, in a fleet: the first bucket brings the library that speaks S3 and GCS.
#include "storage/blobs_bucket.h"

#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/status.h"
#include "slipway_build_config.h"
#include "storage/blobs.h"
#include "storage/buckets_module.h"
#include "storage/module_loader.h"

namespace slipway::storage {
namespace {

constexpr std::string_view kLibrary = "libslipway_buckets.so";
constexpr const char* kMissing = "buckets_missing";
constexpr std::string_view kNeeds = "S3 and GCS need";

base::Result<void*> FindModule() {
  static std::mutex mutex;
  static void* open = nullptr;
  const std::lock_guard lock(mutex);
  if (open == nullptr)
    open = TRY(FindInModule(kLibrary, SLIPWAY_DEFAULT_BUCKETS, kOpenBucketName, kMissing, kNeeds));
  return open;
}

}  // namespace

base::Result<std::unique_ptr<Blobs>> OpenBucketBlobs(const std::string& uri) {
  const auto open = reinterpret_cast<OpenBucket>(TRY(FindModule()));
  base::Result<std::unique_ptr<Blobs>> opened = std::unique_ptr<Blobs>();
  if (!open(SLIPWAY_VERSION, uri, opened))
    return ModuleMissing(kLibrary, kMissing, kNeeds,
                         "the one found is not of version " SLIPWAY_VERSION);
  return opened;
}

}  // namespace slipway::storage
