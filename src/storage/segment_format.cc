// SPDX-License-Identifier: Apache-2.0
// How a prediction's record looks on disk.
#include "storage/segment_format.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/hash.h"
#include "base/status.h"
#include "storage/segments.h"

namespace slipway::storage {
namespace {

constexpr std::string_view kMagic = "slipway seg v01\n";
constexpr std::string_view kSuffix = ".seg";
constexpr size_t kNameDigits = 8;
constexpr int64_t kBufferBytes = 256 * 1024;
// Behind damage: how long a record may be that is looked for, and how much may be read for it.
constexpr int64_t kMostSearchedRecord = 64LL * 1024 * 1024;
constexpr int64_t kMostSearchedBytes = 4LL * 1024 * 1024 * 1024;
// Where in the header: magic, record count, salt, checksum of these.
constexpr size_t kCountAt = 16;
constexpr size_t kSaltAt = 24;
constexpr size_t kSumAt = 28;

void PutLittle(char* out, uint64_t value, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) out[i] = static_cast<char>(value >> (8 * i));
}

uint64_t GetLittle(std::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

}  // namespace

std::string SegmentName(int64_t number) {
  std::string digits = std::to_string(number);
  if (digits.size() < kNameDigits) digits.insert(0, kNameDigits - digits.size(), '0');
  return digits.append(kSuffix);
}

std::optional<int64_t> ParseSegmentName(std::string_view name) {
  int64_t number = 0;
  std::from_chars(name.data(), name.data() + name.size(), number);
  if (number < 1 || SegmentName(number) != name) return std::nullopt;
  return number;
}

std::string EncodeSegmentHeader(const SegmentHeader& header) {
  std::string bytes(kSegmentHeaderBytes, '\0');
  kMagic.copy(bytes.data(), kMagic.size());
  PutLittle(bytes.data() + kCountAt, static_cast<uint64_t>(header.records_before), 8);
  PutLittle(bytes.data() + kSaltAt, header.salt, 4);
  PutLittle(bytes.data() + kSumAt, base::Crc32c(std::string_view(bytes).substr(0, kSumAt)), 4);
  return bytes;
}

std::optional<SegmentHeader> DecodeSegmentHeader(std::string_view bytes) {
  if (bytes.size() < static_cast<size_t>(kSegmentHeaderBytes) || !bytes.starts_with(kMagic))
    return std::nullopt;
  if (GetLittle(bytes.substr(kSumAt, 4)) != base::Crc32c(bytes.substr(0, kSumAt)))
    return std::nullopt;
  return SegmentHeader{static_cast<int64_t>(GetLittle(bytes.substr(kCountAt, 8))),
                       static_cast<uint32_t>(GetLittle(bytes.substr(kSaltAt, 4)))};
}

RecordHeader EncodeRecordHeader(std::string_view record, uint32_t salt) {
  RecordHeader header;
  PutLittle(header.data(), record.size(), 4);
  const uint32_t length_sum = base::Crc32c(std::string_view(header.data(), 4), salt);
  PutLittle(header.data() + 4, base::Crc32c(record, length_sum), 4);
  return header;
}

uint32_t RecordLength(std::string_view header) {
  return static_cast<uint32_t>(GetLittle(header.substr(0, 4)));
}

bool RecordIsWhole(std::string_view header, std::string_view record, uint32_t salt) {
  return GetLittle(header.substr(4, 4)) ==
         base::Crc32c(record, base::Crc32c(header.substr(0, 4), salt));
}

base::Result<std::string_view> SegmentReader::Load(int64_t offset, int64_t size) {
  const int64_t end = std::min(offset + size, limit_);
  const int64_t buffer_end = buffer_start_ + static_cast<int64_t>(buffer_.size());
  if (offset < buffer_start_ || end > buffer_end) {
    buffer_.resize(static_cast<size_t>(std::min(std::max(size, kBufferBytes), limit_ - offset)));
    buffer_.resize(TRY(file_.ReadAt(offset, buffer_)));
    buffer_start_ = offset;
  }
  return std::string_view(buffer_).substr(static_cast<size_t>(offset - buffer_start_),
                                          static_cast<size_t>(end - offset));
}

base::Result<std::optional<std::string_view>> SegmentReader::Next() {
  using Found = std::optional<std::string_view>;
  if (damaged_ || offset_ >= limit_) return Found();
  damaged_ = true;  // until proven whole
  std::string_view bytes = TRY(Load(offset_, kRecordHeaderBytes));
  if (bytes.size() < static_cast<size_t>(kRecordHeaderBytes)) return Found();
  const int64_t whole = kRecordHeaderBytes + int64_t{RecordLength(bytes)};
  if (whole > limit_ - offset_) return Found();
  bytes = TRY(Load(offset_, whole));
  if (bytes.size() < static_cast<size_t>(whole)) return Found();
  const std::string_view record = bytes.substr(kRecordHeaderBytes);
  if (!RecordIsWhole(bytes, record, salt_)) return Found();
  damaged_ = false;
  offset_ += whole;
  return Found(record);
}

base::Result<bool> SegmentReader::SkipDamage() {
  int64_t checked = 0;
  damaged_ = false;
  for (int64_t at = offset_ + 1; at + kRecordHeaderBytes <= limit_; ++at) {
    const auto header = TRY(Load(at, kRecordHeaderBytes));
    if (header.size() < static_cast<size_t>(kRecordHeaderBytes)) break;
    const int64_t length = RecordLength(header);
    if (length > limit_ - at - kRecordHeaderBytes || length > kMostSearchedRecord) continue;
    checked += length;
    if (checked > kMostSearchedBytes) break;
    const auto whole = TRY(Load(at, kRecordHeaderBytes + length));
    if (whole.size() < static_cast<size_t>(kRecordHeaderBytes + length)) continue;
    if (!RecordIsWhole(whole.substr(0, kRecordHeaderBytes), whole.substr(kRecordHeaderBytes),
                       salt_))
      continue;
    offset_ = at;
    return true;
  }
  offset_ = limit_;
  return false;
}

}  // namespace slipway::storage
