// SPDX-License-Identifier: Apache-2.0
// Retention: what nobody needs any more goes, by policy: runs and logged models deleted long ago,
// versions that failed or have been archived for long, and files without an owner. What a version
// comes from, what an alias, a stage or an endpoint names, and holdouts stay. Each thing goes in a
// transaction of its own that looks at it again, so a promotion at the same moment wins or finds
// it gone; files go after their row, and what a crash leaves of them is found as files without an
// owner. Thread-safe; blocks. Events: run.purged, logged_model.purged, version.deleted,
// retention.applied.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/config.h"
#include "base/json.h"
#include "base/status.h"
#include "events/events.h"
#include "lifecycle/holdouts.h"
#include "registry/registry.h"
#include "storage/blobs.h"
#include "storage/database.h"

namespace slipway::lifecycle {

struct RetentionSettings {
  base::Duration deleted_after{30 * base::kDay};
  base::Duration archived_after{0};  // 0: archived versions stay
  int64_t archived_keep = 3;         // newest archived versions of a model that stay in any case
  base::Duration orphan_after{base::kDay};
};
// Settings retention.*
void Describe(base::Schema& schema, RetentionSettings& settings);

struct Garbage {
  std::string kind;     // "run", "logged_model", "version", "files"
  std::string subject;  // "run/<id>", "model/<m>/version/3", a folder of the store
  std::string why;      // it goes; of what is kept: why it stays
  std::string folder;
  int64_t files = 0;
  int64_t size_bytes = 0;
};
struct GarbageReport {
  bool applied = false;
  std::vector<Garbage> removed;  // or, dry, what would be
  std::vector<Garbage> kept;     // old enough, but needed
};
base::Json ToJson(const GarbageReport& report);

class Retention {
 public:
  struct Parts {
    storage::Database& database;
    events::EventLog& events;
    base::Clock& clock;
    storage::Blobs& blobs;
    registry::Registry& registry;
    Holdouts& holdouts;
  };
  Retention(Parts parts, RetentionSettings settings) : parts_(parts), settings_(settings) {}
  // Without `apply` nothing changes. kAborted (reason "gc_running") while another goes on here.
  base::Result<GarbageReport> Collect(bool apply, const events::Actor& actor);

 private:
  // One thing that may go: how it goes, and whether its folder has an owner (asked again at once
  // before it goes).
  struct Candidate {
    Garbage garbage;
    std::function<base::Status()> remove;
  };
  base::Status FindDeleted(const events::Actor& actor, std::vector<Candidate>& found,
                           std::vector<Garbage>& kept);
  base::Status FindVersions(const events::Actor& actor, std::vector<Candidate>& found);
  base::Status FindOrphans(bool apply, std::vector<Candidate>& found, std::vector<Garbage>& kept);
  using Owned = std::function<base::Result<bool>()>;
  using Folders = std::map<std::string, Owned>;
  base::Result<Folders> OwnedFolders();
  base::Status AddArtifacts(const std::string& experiment, Folders& folders);
  base::Status Measure(Garbage& garbage);
  base::Result<base::Micros> FirstSeen(const std::string& folder, bool apply);
  base::Status RemoveFolder(const std::string& folder);
  base::Status Record(const GarbageReport& report, const events::Actor& actor);

  Parts parts_;
  const RetentionSettings settings_;
  std::mutex mutex_;
};

}  // namespace slipway::lifecycle
