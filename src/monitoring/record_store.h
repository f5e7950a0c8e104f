// SPDX-License-Identifier: Apache-2.0
// RecordStore: the prediction log's records in both forms, open segments and archived ones, as one
// log. Private to this room.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "monitoring/record_archive.h"
#include "storage/segments.h"

namespace slipway::monitoring {

// Thread-safe.
class RecordStore {
 public:
  using Visit = std::function<bool(storage::RecordPosition, std::string_view)>;

  // `archive` may be null: segments stay as they are.
  RecordStore(std::unique_ptr<storage::Segments> segments, std::unique_ptr<RecordArchive> archive)
      : segments_(std::move(segments)), archive_(std::move(archive)) {}

  storage::Segments& segments() { return *segments_; }
  RecordArchive* archive() { return archive_.get(); }
  // As Segments::Scan; what was removed by retention is not there.
  base::Status Scan(storage::RecordPosition from, const Visit& visit) const;
  // The records that begin in [from, until) of one segment.
  base::Status ScanPart(storage::RecordPosition from, int64_t end_offset, const Visit& visit) const;
  // What is not archived, and the archived files of all before it, both of one moment: the open
  // records from `from` on; all of them when the first open segment is no longer `known_first`.
  // Returns the first open segment.
  base::Result<int64_t> ScanOpen(int64_t known_first, storage::RecordPosition from,
                                 std::vector<ArchivedFile>& archived, const Visit& visit) const;
  [[nodiscard]] base::Result<std::string> ReadAt(storage::RecordPosition position) const;
  // Archives the oldest closed segment and drops its file; false when there is none. Segments that
  // are archived already (a crash came between) are dropped. One thread at a time.
  base::Result<bool> ArchiveOldest();

 private:
  const std::unique_ptr<storage::Segments> segments_;
  const std::unique_ptr<RecordArchive> archive_;
  mutable std::shared_mutex files_;  // shared: reading segment files; else: dropping some
};

}  // namespace slipway::monitoring
