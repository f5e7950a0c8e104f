// SPDX-License-Identifier: Apache-2.0
// Blobs in an S3 or GCS bucket, through Arrow's filesystems.
#pragma once

#include <memory>
#include <string>

#include "base/status.h"
#include "storage/blobs.h"

namespace slipway::storage {

// "s3://bucket/prefix?..." or "gs://bucket/prefix?...". The bucket must exist; kUnavailable when it
// cannot be reached.
base::Result<std::unique_ptr<Blobs>> OpenArrowBlobs(const std::string& uri);

}  // namespace slipway::storage
