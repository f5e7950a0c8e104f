// SPDX-License-Identifier: Apache-2.0
// Segments: an append-only log of records in numbered files of one folder (format:
// docs/formats/segments.md). A torn tail is cut off at open; a damaged record before it is passed
// over, logged and counted, and costs only itself.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/metrics.h"
#include "base/status.h"

namespace slipway::storage {

enum class Durability { kProcess, kPower };

struct SegmentSettings {
  // process: acknowledged after write() (survives kill -9). power: after fdatasync, grouped
  // (survives power loss).
  Durability durability = Durability::kProcess;
  int64_t segment_bytes = 64LL * 1024 * 1024;
  int64_t max_record_bytes = 16LL * 1024 * 1024;
};

inline constexpr int64_t kRecordHeaderBytes = 8;

// Positions rise with every record. {0, 0} is before the first one.
struct RecordPosition {
  int64_t segment = 0;
  int64_t offset = 0;  // of the record's header in its file
  friend auto operator<=>(const RecordPosition&, const RecordPosition&) = default;
};

// Where to go on after the record of `size` bytes at `position`.
inline RecordPosition After(RecordPosition position, size_t size) {
  return {position.segment, position.offset + kRecordHeaderBytes + static_cast<int64_t>(size)};
}

// Thread-safe.
class Segments {
 public:
  // Makes the folder. kFailedPrecondition (reason "in_use") when another process has it open.
  // `name` labels the metrics.
  static base::Result<std::unique_ptr<Segments>> Open(const std::string& folder,
                                                      const SegmentSettings& settings,
                                                      std::string_view name,
                                                      base::Metrics& metrics);
  virtual ~Segments() = default;
  // Returns once the record is as durable as the setting says. kResourceExhausted when the disk is
  // full: nothing was written. kInvalidArgument: longer than max_record_bytes. kDataLoss (reason
  // "log_stopped"): fsync failed, so that nobody knows what the disk holds; nothing is appended
  // until the log is opened again.
  virtual base::Result<RecordPosition> Append(std::string_view record) = 0;
  // Records at or after `from` (a position given before, or After one) in order until `visit`
  // returns false. Sees every acknowledged record; with Durability::kPower no others. A `from` past
  // the end visits nothing. `visit` may Append.
  virtual base::Status Scan(
      RecordPosition from,
      const std::function<bool(RecordPosition, std::string_view)>& visit) const = 0;
  // kNotFound when no record can be there.
  [[nodiscard]] virtual base::Result<std::string> ReadAt(RecordPosition position) const = 0;
  [[nodiscard]] virtual RecordPosition End() const = 0;  // behind the last record that a Scan sees
  // Makes the current file the last but one, when it holds a record.
  virtual base::Status Seal() = 0;
  // Removes the files before `segment`, or all but the current one; durable when it returns.
  // Nobody may be scanning them.
  virtual base::Status DropBefore(int64_t segment) = 0;
  [[nodiscard]] virtual int64_t FirstSegment() const = 0;
  [[nodiscard]] virtual int64_t RecordCount()
      const = 0;  // since the folder was made, cut-off tails not counted
};

}  // namespace slipway::storage
