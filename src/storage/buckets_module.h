// SPDX-License-Identifier: Apache-2.0
// What libslipway_buckets.so is asked for: one function. Private to this room.
#pragma once

#include <memory>
#include <string>

#include "base/status.h"
#include "storage/blobs.h"

namespace slipway::storage {

inline constexpr const char* kOpenBucketName = "slipway_open_bucket";

// Fills `opened`; false, with nothing done, when the library was built for another version of
// Slipway: the types that the two share may differ.
using OpenBucket = bool (*)(const std::string& version, const std::string& uri,
                            base::Result<std::unique_ptr<Blobs>>& opened);

}  // namespace slipway::storage
