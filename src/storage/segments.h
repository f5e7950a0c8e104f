// SPDX-License-Identifier: Apache-2.0
// Segments: an append-only log of records in numbered files of one folder. A record is [length u32][crc32c u32][bytes], little
// endian. A torn tail is cut off at open; a bad checksum before the tail is kDataLoss naming file and offset.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/config.h"
#include "base/metrics.h"
#include "base/status.h"

namespace slipway::storage {

enum class Durability { kProcess, kPower };

struct SegmentSettings {
  // process: acknowledged after write() (survives kill -9). power: after fdatasync, grouped (survives power loss).
  Durability durability = Durability::kProcess;
  int64_t segment_bytes = 64LL * 1024 * 1024;
  int64_t max_record_bytes = 16LL * 1024 * 1024;
};

struct RecordPosition {
  int64_t segment = 0;
  int64_t offset = 0;
  friend auto operator<=>(const RecordPosition&, const RecordPosition&) = default;
};

// Thread-safe.
class Segments {
 public:
  static base::Result<std::unique_ptr<Segments>> Open(const std::string& folder, const SegmentSettings& settings,
                                                      std::string_view name, base::Metrics& metrics);
  virtual ~Segments() = default;
  // Returns once the record is as durable as the setting says. kResourceExhausted when the disk is full: nothing was written.
  virtual base::Result<RecordPosition> Append(std::string_view record) = 0;
  // Records at or after `from` in order until `visit` returns false. Sees every acknowledged record.
  virtual base::Status Scan(RecordPosition from,
                            const std::function<bool(RecordPosition, std::string_view)>& visit) const = 0;
  virtual base::Result<std::string> ReadAt(RecordPosition position) const = 0;
  virtual RecordPosition End() const = 0;
  virtual int64_t RecordCount() const = 0;  // since the folder was made, cut-off tails not counted
};

}  // namespace slipway::storage
