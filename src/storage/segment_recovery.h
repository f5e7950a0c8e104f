// SPDX-License-Identifier: Apache-2.0
// What opening a log does with what a crash left. Private to this room.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/status.h"
#include "storage/log_folder.h"
#include "storage/segment_format.h"
#include "storage/segments.h"

namespace slipway::storage {

struct RecoveredLog {
  int64_t first_segment = 1;
  std::unique_ptr<LogFile> file;  // the last segment, cut behind its last whole record and synced
  RecordPosition end;
  int64_t records = 0;  // in the whole log
  uint32_t salt = 0;    // of the whole log
};

// Makes the first segment when there is none. kDataLoss (reason "segment_damaged") naming file and
// offset when something else than the tail is bad, or a segment is missing. `name` is for the log
// line about a cut tail.
base::Result<RecoveredLog> RecoverLog(LogFolder& folder, std::string_view name);

// Makes segment `number`, empty, durable in every respect.
base::Result<std::unique_ptr<LogFile>> CreateSegment(LogFolder& folder, int64_t number,
                                                     const SegmentHeader& header);

base::Status SegmentDamaged(int64_t segment, int64_t offset, std::string_view what);

}  // namespace slipway::storage
