// SPDX-License-Identifier: Apache-2.0
// The end of runs and logged models that were deleted: which there are, why one must stay, and
// their removal for good. Blocks. Events: run.purged, logged_model.purged.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "events/events.h"
#include "storage/database.h"
#include "tracking/tracking.h"

namespace slipway::tracking {

// A run or a logged model (one of the ids is empty) that was deleted, or its experiment was.
struct Deleted {
  std::string run_id;
  std::string model_id;
  std::string experiment_id;
};

// Deleted before `time` and still on record.
base::Result<std::vector<Deleted>> DeletedBefore(storage::Database& database, base::Micros time);
// Why it must stay, by `kept` and by logged models that come from it; empty when it need not.
base::Result<std::string> LineageOf(storage::Transaction& transaction, const Deleted& deleted,
                                    const Tracking::FindUse& kept);
// For good, in one transaction; its files are the caller's. kFailedPrecondition when it is not
// deleted any more (not_deleted) or must stay (in_lineage).
base::Status Purge(storage::Database& database, events::EventLog& events, const Deleted& deleted,
                   const Tracking::FindUse& kept, const events::Actor& actor);

enum class ArtifactOwner { kRun, kLoggedModel, kTrace };
// Deleted ones are known, purged ones are not.
base::Result<bool> Knows(storage::Database& database, ArtifactOwner owner, const std::string& id);

}  // namespace slipway::tracking
