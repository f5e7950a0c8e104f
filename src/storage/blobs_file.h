// SPDX-License-Identifier: Apache-2.0
// Blobs in a folder of the local disk, which one process owns.
#pragma once

#include <memory>
#include <string>

#include "base/status.h"
#include "storage/blobs.h"

namespace slipway::storage {

// "file:<path>" or the bare path. Makes the folder; drops uploads that a former process did not
// finish.
base::Result<std::unique_ptr<Blobs>> OpenFileBlobs(const std::string& uri);

}  // namespace slipway::storage
