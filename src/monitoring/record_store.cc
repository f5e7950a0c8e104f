// SPDX-License-Identifier: Apache-2.0
// Where a logged prediction is found: in a segment, or in the table that its segment became.
#include "monitoring/record_store.h"

#include <algorithm>
#include <limits>
#include <mutex>
#include <utility>
#include <vector>

namespace slipway::monitoring {

using storage::RecordPosition;

base::Status RecordStore::Scan(RecordPosition from, const Visit& visit) const {
  const std::shared_lock lock(files_);
  const int64_t first = segments_->FirstSegment();
  if (archive_ != nullptr) {
    bool ended = false;
    for (int64_t segment = std::max<int64_t>(1, from.segment); segment < first; ++segment) {
      const int64_t begin = segment == from.segment ? from.offset : 0;
      TRY(archive_->Scan(segment, begin, std::numeric_limits<int64_t>::max(), visit, ended));
      if (ended) return base::Status::Ok();
    }
  }
  return segments_->Scan(std::max(from, RecordPosition{first, 0}), visit);
}

base::Status RecordStore::ScanPart(RecordPosition from, int64_t end_offset,
                                   const Visit& visit) const {
  const std::shared_lock lock(files_);
  if (archive_ != nullptr && from.segment < segments_->FirstSegment()) {
    bool ended = false;
    return archive_->Scan(from.segment, from.offset, end_offset, visit, ended);
  }
  return segments_->Scan(from, [&](RecordPosition position, std::string_view bytes) {
    return position.segment == from.segment && position.offset < end_offset &&
           visit(position, bytes);
  });
}

base::Result<int64_t> RecordStore::ScanOpen(int64_t known_first, RecordPosition from,
                                            std::vector<ArchivedFile>& archived,
                                            const Visit& visit) const {
  const std::shared_lock lock(files_);
  const int64_t first = segments_->FirstSegment();
  if (archive_ != nullptr) archived = archive_->Files();
  std::erase_if(archived, [first](const ArchivedFile& file) { return file.segment >= first; });
  TRY(segments_->Scan(first == known_first ? from : RecordPosition{first, 0}, visit));
  return first;
}

base::Result<std::string> RecordStore::ReadAt(RecordPosition position) const {
  const std::shared_lock lock(files_);
  if (archive_ == nullptr || position.segment >= segments_->FirstSegment())
    return segments_->ReadAt(position);
  std::string found;
  bool ended = false;
  TRY(archive_->Scan(
      position.segment, position.offset, position.offset + 1,
      [&](RecordPosition, std::string_view bytes) {
        found = bytes;
        return false;
      },
      ended));
  if (!ended) return base::NotFound("no_record", "the record is no longer kept");
  return found;
}

base::Result<bool> RecordStore::ArchiveOldest() {
  if (archive_ == nullptr) return false;
  const int64_t segment = segments_->FirstSegment();
  if (segment >= segments_->End().segment) return false;
  if (!archive_->Has(segment)) {
    std::vector<StoredRecord> records;
    TRY(segments_->Scan({segment, 0}, [&](RecordPosition position, std::string_view bytes) {
      if (position.segment != segment) return false;
      records.push_back({position, std::string(bytes)});
      return true;
    }));
    TRY(archive_->Add(segment, records));
  }
  const std::unique_lock lock(files_);
  TRY(segments_->DropBefore(segment + 1));
  return true;
}

}  // namespace slipway::monitoring
