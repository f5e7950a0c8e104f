// SPDX-License-Identifier: Apache-2.0
// LogFolder: the files under a log, as a seam: tests put a folder here that loses unsynced bytes,
// writes short or fails. Private to this room.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/status.h"
#include "storage/segments.h"

namespace slipway::storage {

// One writer and any number of readers at the same time.
class LogFile {
 public:
  virtual ~LogFile() = default;
  // Writes `first` and then `second` at `offset`; may write less, and says how much.
  virtual base::Result<size_t> WriteAt(int64_t offset, std::string_view first,
                                       std::string_view second) = 0;
  virtual base::Status Sync() = 0;
  virtual base::Status Truncate(int64_t size_bytes) = 0;
  // Fills the buffer, or less at the end of the file.
  [[nodiscard]] virtual base::Result<size_t> ReadAt(int64_t offset,
                                                    std::span<char> buffer) const = 0;
  [[nodiscard]] virtual base::Result<int64_t> SizeBytes() const = 0;
};

enum class LogFileMode { kExisting, kCreateEmpty };

class LogFolder {
 public:
  virtual ~LogFolder() = default;
  virtual base::Result<std::unique_ptr<LogFile>> Open(const std::string& name,
                                                      LogFileMode mode) = 0;
  [[nodiscard]] virtual base::Result<std::vector<std::string>> List() const = 0;  // unordered
  virtual base::Status Remove(const std::string& name) = 0;
  virtual base::Status Sync() = 0;  // makes new and removed names durable
};

// Makes the folder and takes its lock: kFailedPrecondition (reason "in_use") when another process
// holds it.
base::Result<std::unique_ptr<LogFolder>> OpenLogFolder(const std::string& path);

base::Result<std::unique_ptr<Segments>> OpenSegments(std::unique_ptr<LogFolder> folder,
                                                     const SegmentSettings& settings,
                                                     std::string_view name, base::Metrics& metrics);

}  // namespace slipway::storage
