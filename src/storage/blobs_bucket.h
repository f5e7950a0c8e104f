// SPDX-License-Identifier: Apache-2.0
// Blobs in an S3 or GCS bucket. Arrow and the cloud's SDKs lie in a library of their own,
// libslipway_buckets.so, which is opened with the first bucket: a server without one never maps
// them.
#pragma once

#include <memory>
#include <string>

#include "base/status.h"
#include "storage/blobs.h"

namespace slipway::storage {

// "s3://bucket/prefix?..." or "gs://bucket/prefix?...". The bucket must exist; kUnavailable when it
// cannot be reached. kFailedPrecondition, reason "buckets_missing", when the library is not there
// or belongs to another version. Thread-safe.
base::Result<std::unique_ptr<Blobs>> OpenBucketBlobs(const std::string& uri);

}  // namespace slipway::storage
