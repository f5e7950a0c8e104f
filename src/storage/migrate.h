// SPDX-License-Identifier: Apache-2.0
// ApplyMigrations: brings the schema up inside one write transaction. Private to this room.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "storage/database.h"
#include "storage/migration.h"

namespace slipway::storage {

// The statements of a script, without the ';' between them. Knows '...' and "..." quotes, -- and /*
// */ comments.
std::vector<std::string_view> SplitStatements(std::string_view sql);

// See Database::Migrate. kFailedPrecondition: reason "migration_changed" (an applied file reads
// differently now), "newer_schema" (the database has migrations of these rooms that this program
// does not know).
base::Status ApplyMigrations(Transaction& transaction, std::span<const Migration> migrations);

}  // namespace slipway::storage
