// SPDX-License-Identifier: Apache-2.0
// A database file that another program made: read here, never written.
#pragma once

#include <memory>
#include <string>

#include "base/metrics.h"
#include "base/status.h"
#include "storage/database.h"

namespace slipway::storage {

// Only Read and Query work; a Write is kFailedPrecondition (reason "read_only"). kNotFound when
// there is no such file.
base::Result<std::unique_ptr<Database>> OpenForeignSqlite(const std::string& path,
                                                          base::Metrics& metrics);

}  // namespace slipway::storage
