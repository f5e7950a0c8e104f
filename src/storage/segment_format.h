// SPDX-License-Identifier: Apache-2.0
// The bytes of a segment file: docs/formats/segments.md. Private to this room.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "storage/log_folder.h"

namespace slipway::storage {

inline constexpr int64_t kSegmentHeaderBytes = 32;

std::string SegmentName(int64_t number);  // "00000001.seg"
std::optional<int64_t> ParseSegmentName(std::string_view name);

struct SegmentHeader {
  int64_t records_before = 0;  // in all earlier segments
  // Random, the same in a whole log; seeds the records' checksums, so that no record's bytes can
  // look like a record.
  uint32_t salt = 0;
};
std::string EncodeSegmentHeader(const SegmentHeader& header);
std::optional<SegmentHeader> DecodeSegmentHeader(std::string_view bytes);  // nullopt: not a header

using RecordHeader = std::array<char, kRecordHeaderBytes>;
RecordHeader EncodeRecordHeader(std::string_view record, uint32_t salt);
uint32_t RecordLength(std::string_view header);
bool RecordIsWhole(std::string_view header, std::string_view record, uint32_t salt);

// Reads the records of one file in order through a buffer. Not thread-safe.
class SegmentReader {
 public:
  // Records in [offset, limit).
  SegmentReader(const LogFile& file, uint32_t salt, int64_t offset, int64_t limit)
      : file_(file), salt_(salt), offset_(offset), limit_(limit) {}

  // Moves to the next record. nullopt at the limit, or when what stands at `offset()` is no whole
  // record (then `damaged()`). The view is good until the next call.
  base::Result<std::optional<std::string_view>> Next();
  // After damage: moves to the next place where a whole record stands; false when there is none,
  // and then at the limit. The damaged length is not believed: it could jump over whole records.
  base::Result<bool> SkipDamage();
  [[nodiscard]] int64_t offset() const { return offset_; }  // where the next record would begin
  [[nodiscard]] bool damaged() const { return damaged_; }

 private:
  // The bytes [offset, offset + size), or fewer at the limit.
  base::Result<std::string_view> Load(int64_t offset, int64_t size);

  const LogFile& file_;
  const uint32_t salt_;
  int64_t offset_;
  const int64_t limit_;
  std::string buffer_;
  int64_t buffer_start_ = 0;
  bool damaged_ = false;
};

}  // namespace slipway::storage
