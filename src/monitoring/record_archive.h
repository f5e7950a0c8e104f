// SPDX-License-Identifier: Apache-2.0
// RecordArchive: closed segments of the prediction log as Parquet files in a Blobs store, by
// endpoint and day (docs/formats/archive.md). Private to this room.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "monitoring/record_table.h"
#include "storage/blobs.h"

namespace slipway::monitoring {

struct ArchivedFile {
  int64_t segment = 0;
  std::string key;  // in the store
  std::string endpoint;
  int64_t rows = 0;
  int64_t size_bytes = 0;
  base::Micros earliest = 0;
  base::Micros latest = 0;
};

// Thread-safe; one thread at a time may Add or Remove.
class RecordArchive {
 public:
  // `folder`: this log's own notes of what it archived, and copies of what lies in a bucket.
  static base::Result<std::unique_ptr<RecordArchive>> Open(storage::Blobs& blobs,
                                                           const std::string& folder);

  // Writes the segment's records as files, reads them back and compares, publishes them, and then
  // notes the segment as archived. Again after a crash: the same.
  base::Status Add(int64_t segment, const std::vector<StoredRecord>& records);
  [[nodiscard]] bool Has(int64_t segment) const;
  [[nodiscard]] int64_t NewestSegment() const;  // 0: none
  // Records of a segment with begin <= offset < end, in log order, until `visit` returns false;
  // sets `ended` then.
  base::Status Scan(int64_t segment, int64_t begin, int64_t end,
                    const std::function<bool(storage::RecordPosition, std::string_view)>& visit,
                    bool& ended) const;
  [[nodiscard]] std::vector<ArchivedFile> Files() const;
  // Takes the files out of the notes, then out of the store.
  base::Status Remove(const std::vector<ArchivedFile>& files);
  // Where the files lie on this machine, or their copies.
  [[nodiscard]] std::string LocalFolder() const;
  // Where the file lies on this machine; it is copied here when it lies in a bucket.
  base::Result<std::string> LocalPath(const std::string& key) const;

 private:
  using Notes = std::map<int64_t, std::vector<ArchivedFile>>;  // by segment

  RecordArchive(storage::Blobs& blobs, std::string folder)
      : blobs_(blobs), folder_(std::move(folder)) {}
  base::Status LoadNotes();
  base::Status WriteNote(int64_t segment, const std::vector<ArchivedFile>& files) const;
  base::Result<std::shared_ptr<RecordTable>> TableOf(const std::string& key) const;
  base::Result<ArchivedFile> Publish(const RecordTableWriter& table, const std::string& work,
                                     const std::string& key) const;

  storage::Blobs& blobs_;
  const std::string folder_;
  std::string log_id_;
  mutable std::mutex mutex_;  // of what follows
  Notes notes_;
  // The newest used first.
  mutable std::list<std::pair<std::string, std::shared_ptr<RecordTable>>> open_;
};

}  // namespace slipway::monitoring
