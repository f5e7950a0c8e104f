// SPDX-License-Identifier: Apache-2.0
// First step of a start after a crash: the log ends behind its last whole record.
#include "storage/segment_recovery.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/status.h"
#include "storage/log_folder.h"
#include "storage/segment_format.h"
#include "storage/segments.h"

namespace slipway::storage {
namespace {

constexpr int64_t kPageBytes = 4096;
// How far behind a damaged record a whole one is looked for, and how long that one may be.
constexpr int64_t kSearchBytes = 1024 * 1024;

base::Result<std::vector<int64_t>> ListSegments(const LogFolder& folder) {
  std::vector<int64_t> numbers;
  for (const std::string& name : TRY(folder.List())) {
    if (const auto number = ParseSegmentName(name)) numbers.push_back(*number);
  }
  std::sort(numbers.begin(), numbers.end());
  for (size_t i = 1; i < numbers.size(); ++i) {
    if (numbers[i] != numbers[i - 1] + 1)
      return SegmentDamaged(numbers[i - 1] + 1, 0, "the file is missing");
  }
  return numbers;
}

base::Result<std::string> ReadPart(const LogFile& file, int64_t offset, int64_t size_bytes) {
  std::string bytes(static_cast<size_t>(std::max<int64_t>(size_bytes, 0)), '\0');
  bytes.resize(TRY(file.ReadAt(offset, bytes)));
  return bytes;
}

bool IsZero(std::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == '\0'; });
}

// Whether a page of the damaged record was never written: after a power loss a file system may give
// back zeros for pages that were not yet on disk, with later pages intact. Such bytes were never
// synced, so nobody was promised them.
base::Result<bool> HasUnwrittenPage(const LogFile& file, int64_t offset, int64_t size) {
  const std::string header = TRY(ReadPart(file, offset, kRecordHeaderBytes));
  if (header.size() < static_cast<size_t>(kRecordHeaderBytes)) return false;
  const int64_t record_end =
      std::min(offset + kRecordHeaderBytes + int64_t{RecordLength(header)}, size);
  for (int64_t page = (offset + kPageBytes - 1) / kPageBytes * kPageBytes;
       page <= record_end && page < size; page += kPageBytes) {
    if (IsZero(TRY(ReadPart(file, page, std::min(kPageBytes, size - page))))) return true;
  }
  return false;
}

// Whether a whole record stands anywhere soon after the damaged one: then the damage is not a torn
// tail.
base::Result<bool> WholeRecordFollows(const LogFile& file, uint32_t salt, int64_t offset,
                                      int64_t size) {
  const std::string bytes = TRY(ReadPart(file, offset, std::min(2 * kSearchBytes, size - offset)));
  const std::string_view view(bytes);
  const auto most = static_cast<size_t>(kSearchBytes);
  for (size_t at = 1; at < most && at + kRecordHeaderBytes <= view.size(); ++at) {
    const std::string_view header = view.substr(at, kRecordHeaderBytes);
    const size_t length = RecordLength(header);
    if (length > most || at + kRecordHeaderBytes + length > view.size()) continue;
    if (RecordIsWhole(header, view.substr(at + kRecordHeaderBytes, length), salt)) return true;
  }
  if (view.size() < static_cast<size_t>(kRecordHeaderBytes)) return false;
  // A long damaged record may hide its successor from the search above, but not when its length is
  // right.
  SegmentReader after(file, salt, offset + kRecordHeaderBytes + int64_t{RecordLength(view)}, size);
  return TRY(after.Next()).has_value();
}

// Whether nothing stands from `offset` on: a file grows by more than a record at a time.
base::Result<bool> IsUnused(const LogFile& file, int64_t offset, int64_t size) {
  for (; offset < size; offset += kSearchBytes) {
    if (!IsZero(TRY(ReadPart(file, offset, std::min(kSearchBytes, size - offset))))) return false;
  }
  return true;
}

// False, with nothing cut, when it is no tail but a damaged record in front of whole ones.
base::Result<bool> CutTail(const RecoveredLog& log, int64_t size, std::string_view name) {
  LogFile& file = *log.file;
  const auto [number, offset] = log.end;
  if (TRY(IsUnused(file, offset, size))) {
    TRY(file.Truncate(offset));
    return true;
  }
  const bool torn = TRY(HasUnwrittenPage(file, offset, size)) ||
                    !TRY(WholeRecordFollows(file, log.salt, offset, size));
  if (!torn) return false;
  base::Log(base::LogLevel::kWarning, "storage",
            "an unfinished record at the end of a log was cut off",
            {{"log", name},
             {"segment", SegmentName(number)},
             {"offset", offset},
             {"bytes", size - offset}});
  TRY(file.Truncate(offset));
  return true;
}

// The last segment; nullopt when even its header was not finished, which the crash that made it
// explains.
base::Result<std::optional<RecoveredLog>> RecoverSegment(LogFolder& folder, int64_t number,
                                                         std::string_view name) {
  RecoveredLog log;
  log.file = TRY(folder.Open(SegmentName(number), LogFileMode::kExisting));
  const int64_t size = TRY(log.file->SizeBytes());
  const auto header = DecodeSegmentHeader(TRY(ReadPart(*log.file, 0, kSegmentHeaderBytes)));
  if (!header) {
    if (size <= kSegmentHeaderBytes) return std::optional<RecoveredLog>();
    return SegmentDamaged(number, 0, "the file's header is damaged");
  }
  log.salt = header->salt;
  log.records = header->records_before;
  SegmentReader reader(*log.file, log.salt, kSegmentHeaderBytes, size);
  while (true) {
    while (TRY(reader.Next())) ++log.records;
    log.end = {number, reader.offset()};
    if (!reader.damaged() || TRY(CutTail(log, size, name))) break;
    if (!TRY(reader.SkipDamage())) break;  // whoever scans the log tells of it
  }
  TRY(log.file->Sync());
  return std::optional<RecoveredLog>(std::move(log));
}

}  // namespace

base::Status SegmentDamaged(int64_t segment, int64_t offset, std::string_view what) {
  return {base::Code::kDataLoss, "segment_damaged",
          SegmentName(segment) + " at offset " + std::to_string(offset) + ": " + std::string(what)};
}

base::Result<std::unique_ptr<LogFile>> CreateSegment(LogFolder& folder, int64_t number,
                                                     const SegmentHeader& header) {
  const std::string bytes = EncodeSegmentHeader(header);
  auto file = TRY(folder.Open(SegmentName(number), LogFileMode::kCreateEmpty));
  const size_t written = TRY(file->WriteAt(0, bytes, ""));
  if (written != bytes.size())
    return base::ResourceExhausted("disk_full", "no room for " + SegmentName(number));
  TRY(file->Sync());
  TRY(folder.Sync());
  return file;
}

base::Result<RecoveredLog> RecoverLog(LogFolder& folder, std::string_view name) {
  std::vector<int64_t> numbers = TRY(ListSegments(folder));
  while (!numbers.empty()) {
    auto recovered = TRY(RecoverSegment(folder, numbers.back(), name));
    if (recovered) {
      recovered->first_segment = numbers.front();
      return std::move(*recovered);
    }
    TRY(folder.Remove(SegmentName(numbers.back())));
    TRY(folder.Sync());
    numbers.pop_back();
  }
  RecoveredLog log;
  log.salt = base::Crc32c(base::RandomHex32());
  log.file = TRY(CreateSegment(folder, 1, {0, log.salt}));
  log.end = {1, kSegmentHeaderBytes};
  return log;
}

}  // namespace slipway::storage
