// SPDX-License-Identifier: Apache-2.0
// Prediction records as a Parquet table, and back to the same bytes: docs/formats/archive.md.
// Private to this room.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "monitoring/record_codec.h"
#include "monitoring/table_columns.h"
#include "storage/parquet.h"
#include "storage/segments.h"

namespace slipway::monitoring {

struct StoredRecord {
  storage::RecordPosition position;
  std::string bytes;
};

// One file's records: of one endpoint. Not thread-safe.
class RecordTableWriter {
 public:
  // False, with nothing added, when a column of the record has another type here: it needs a table
  // of its own. The record must stay where it is until Write.
  bool Add(const StoredRecord& record);
  // Sorted by time. kResourceExhausted, kInternal: the disk.
  base::Status Write(const std::string& path);
  [[nodiscard]] int64_t records() const { return static_cast<int64_t>(entries_.size()); }
  [[nodiscard]] int64_t rows() const { return rows_; }
  [[nodiscard]] base::Micros earliest() const { return earliest_; }
  [[nodiscard]] base::Micros latest() const { return latest_; }

 private:
  struct Entry {
    const StoredRecord* record = nullptr;
    base::Micros time = 0;
    int layout = kWholeRecord;
  };
  void FillGroup(size_t begin, size_t end, TableColumns& columns) const;

  std::vector<Entry> entries_;
  TableSchema schema_;
  int64_t rows_ = 0;
  base::Micros earliest_ = std::numeric_limits<base::Micros>::max();
  base::Micros latest_ = std::numeric_limits<base::Micros>::min();
};

// Reads such a file. Thread-safe.
class RecordTable {
 public:
  // kDataLoss (reason "bad_record"): not a file that a RecordTableWriter wrote.
  static base::Result<std::unique_ptr<RecordTable>> Open(const std::string& path);
  virtual ~RecordTable() = default;
  // Adds the records whose offset in their segment is in [begin, end), in no particular order.
  virtual base::Status Read(int64_t begin, int64_t end, std::vector<StoredRecord>& records) = 0;
};

}  // namespace slipway::monitoring
