// SPDX-License-Identifier: Apache-2.0
// A prediction's walk, last step: the record is appended, and acknowledged once it is as durable as
// the setting says.
#include "storage/segments.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/status.h"
#include "storage/log_folder.h"
#include "storage/segment_format.h"
#include "storage/segment_recovery.h"

namespace slipway::storage {
namespace {

constexpr int64_t kMostRecordBytes = 1024LL * 1024 * 1024;

// A place in the log and how many records stand before it.
struct Mark {
  RecordPosition end;
  int64_t records = 0;
};

class FolderSegments final : public Segments {
 public:
  FolderSegments(std::unique_ptr<LogFolder> folder, const SegmentSettings& settings,
                 RecoveredLog recovered, std::string_view name, base::Metrics& metrics);

  base::Result<RecordPosition> Append(std::string_view record) override;
  base::Status Scan(
      RecordPosition from,
      const std::function<bool(RecordPosition, std::string_view)>& visit) const override;
  base::Result<std::string> ReadAt(RecordPosition position) const override;
  RecordPosition End() const override {
    const std::lock_guard lock(mutex_);
    return Readable().end;
  }
  base::Status Seal() override;
  base::Status DropBefore(int64_t segment) override;
  int64_t FirstSegment() const override { return first_segment_.load(); }
  int64_t RecordCount() const override {
    const std::lock_guard lock(mutex_);
    return Readable().records;
  }

 private:
  // A file to read and where its readable part ends.
  struct ReadableFile {
    std::shared_ptr<const LogFile> file;
    int64_t limit = 0;
  };

  const Mark& Readable() const {
    return settings_.durability == Durability::kPower ? durable_ : written_;
  }
  base::Result<RecordPosition> AppendLocked(std::string_view header, std::string_view record);
  base::Status WriteWhole(std::string_view header, std::string_view record);
  base::Status Roll();
  base::Status WaitDurable(std::unique_lock<std::mutex>& lock, RecordPosition end);
  base::Status SyncCurrent(std::unique_lock<std::mutex>& lock);
  base::Status Stop(const base::Status& cause);
  base::Result<ReadableFile> OpenForReading(int64_t segment) const;
  base::Result<bool> PassDamage(SegmentReader& reader, RecordPosition& position) const;

  const std::unique_ptr<LogFolder> folder_;
  const SegmentSettings settings_;
  std::atomic<int64_t> first_segment_;
  const uint32_t salt_;
  const std::string name_;
  base::Counter& records_total_;
  base::Counter& bytes_total_;
  base::Counter& failures_total_;
  base::Counter& damaged_total_;
  base::Histogram& sync_seconds_;

  mutable std::mutex mutex_;  // over all below
  std::condition_variable synced_;
  std::shared_ptr<LogFile> current_;
  Mark written_;
  Mark durable_;
  bool syncing_ = false;  // some thread is in fdatasync, without the mutex
  base::Status stopped_;
};

base::Labels LogLabel(std::string_view name) { return {{"log", std::string(name)}}; }

FolderSegments::FolderSegments(std::unique_ptr<LogFolder> folder, const SegmentSettings& settings,
                               RecoveredLog recovered, std::string_view name,
                               base::Metrics& metrics)
    : folder_(std::move(folder)),
      settings_(settings),
      first_segment_(recovered.first_segment),
      salt_(recovered.salt),
      name_(name),
      records_total_(metrics.GetCounter("slipway_storage_log_records", "Records appended to a log.",
                                        LogLabel(name))),
      bytes_total_(metrics.GetCounter("slipway_storage_log_bytes", "Bytes appended to a log.",
                                      LogLabel(name))),
      failures_total_(metrics.GetCounter("slipway_storage_log_failures", "Appends that failed.",
                                         LogLabel(name))),
      damaged_total_(metrics.GetCounter("slipway_storage_log_damaged_records",
                                        "Damaged places of a log that a reader passed over.",
                                        LogLabel(name))),
      sync_seconds_(metrics.GetHistogram("slipway_storage_log_sync_seconds",
                                         "Time of a log's fdatasync.", base::LatencyBounds(),
                                         LogLabel(name))),
      current_(std::move(recovered.file)),
      written_{recovered.end, recovered.records},
      durable_(written_) {}

base::Result<RecordPosition> FolderSegments::Append(std::string_view record) {
  if (static_cast<int64_t>(record.size()) > settings_.max_record_bytes) {
    return base::InvalidArgument("record",
                                 "a record of log " + name_ + " has at most " +
                                     std::to_string(settings_.max_record_bytes) + " bytes",
                                 "record_too_large");
  }
  const RecordHeader header = EncodeRecordHeader(record, salt_);
  std::unique_lock lock(mutex_);
  auto position = AppendLocked({header.data(), header.size()}, record);
  base::Status status = position.ok() ? base::Status::Ok() : position.status();
  if (status.ok() && settings_.durability == Durability::kPower)
    status = WaitDurable(lock, After(*position, record.size()));
  if (!status.ok()) {
    failures_total_.Add();
    return status;
  }
  records_total_.Add();
  bytes_total_.Add(static_cast<double>(header.size() + record.size()));
  return position;
}

base::Result<RecordPosition> FolderSegments::AppendLocked(std::string_view header,
                                                          std::string_view record) {
  if (!stopped_.ok()) return stopped_;
  const auto size = static_cast<int64_t>(header.size() + record.size());
  if (written_.end.offset > kSegmentHeaderBytes &&
      written_.end.offset + size > settings_.segment_bytes)
    TRY(Roll());
  TRY(WriteWhole(header, record));
  const RecordPosition position = written_.end;
  written_.end.offset += size;
  ++written_.records;
  return position;
}

base::Status FolderSegments::WriteWhole(std::string_view header, std::string_view record) {
  const int64_t start = written_.end.offset;
  int64_t offset = start;
  while (!header.empty() || !record.empty()) {
    const auto written = current_->WriteAt(offset, header, record);
    if (!written.ok() || *written == 0) {
      const base::Status failure =
          written.ok()
              ? base::ResourceExhausted("disk_full", "the disk takes no more of log " + name_)
              : written.status();
      // What is half-written goes, so that the next record begins where this one would have.
      const base::Status cut = offset == start ? base::Status::Ok() : current_->Truncate(start);
      return cut.ok() ? failure : Stop(cut);
    }
    const size_t of_header = std::min(*written, header.size());
    header.remove_prefix(of_header);
    record.remove_prefix(*written - of_header);
    offset += static_cast<int64_t>(*written);
  }
  return base::Status::Ok();
}

base::Status FolderSegments::Seal() {
  const std::lock_guard lock(mutex_);
  if (!stopped_.ok()) return stopped_;
  return written_.end.offset > kSegmentHeaderBytes ? Roll() : base::Status::Ok();
}

// Oldest first, so that what a crash leaves has no gap.
base::Status FolderSegments::DropBefore(int64_t segment) {
  const int64_t last = std::min(segment, End().segment);
  while (first_segment_ < last) {
    TRY(folder_->Remove(SegmentName(first_segment_)));
    ++first_segment_;
  }
  return folder_->Sync();
}

// Everything in the segment that ends is made durable first: WaitDurable looks only at the current
// one.
base::Status FolderSegments::Roll() {
  base::Status sealed = current_->Truncate(written_.end.offset);  // what was taken ahead goes
  if (sealed.ok()) sealed = current_->Sync();
  if (!sealed.ok()) return Stop(sealed);
  const int64_t number = written_.end.segment + 1;
  auto created = CreateSegment(*folder_, number, {written_.records, salt_});
  if (!created.ok()) {
    // It may be half there; the next try makes it empty again, and so does the next start.
    (void)folder_->Remove(SegmentName(number));
    return created.status();
  }
  current_ = std::move(created).value();
  written_.end = {number, kSegmentHeaderBytes};
  durable_ = written_;
  synced_.notify_all();
  return base::Status::Ok();
}

// One waiting thread syncs for all; whoever wrote during that sync is in the next one.
base::Status FolderSegments::WaitDurable(std::unique_lock<std::mutex>& lock, RecordPosition end) {
  while (durable_.end < end) {
    if (!stopped_.ok()) return stopped_;
    if (syncing_) {
      synced_.wait(lock);
    } else {
      TRY(SyncCurrent(lock));
    }
  }
  return base::Status::Ok();
}

base::Status FolderSegments::SyncCurrent(std::unique_lock<std::mutex>& lock) {
  const std::shared_ptr<LogFile> file = current_;
  const Mark target = written_;
  syncing_ = true;
  lock.unlock();
  const int64_t start = base::MonotonicNanos();
  base::Status status = file->Sync();
  sync_seconds_.Observe(static_cast<double>(base::MonotonicNanos() - start) * 1e-9);
  lock.lock();
  syncing_ = false;
  if (!status.ok()) {
    status = Stop(status);
  } else if (durable_.end < target.end) {  // else a Roll went further meanwhile
    durable_ = target;
  }
  synced_.notify_all();
  return status;
}

// After a failed fsync the kernel may have dropped the bytes and the next fsync would say ok: never
// try again.
base::Status FolderSegments::Stop(const base::Status& cause) {
  base::Log(base::LogLevel::kError, "storage", "a log was stopped",
            {{"log", name_}, {"error", cause.ToString()}});
  stopped_ = {base::Code::kDataLoss, "log_stopped",
              "log " + name_ + " takes no more records since the disk failed (" + cause.message() +
                  "): check it, then restart"};
  synced_.notify_all();
  return stopped_;
}

base::Result<FolderSegments::ReadableFile> FolderSegments::OpenForReading(int64_t segment) const {
  {
    const std::lock_guard lock(mutex_);
    if (segment == written_.end.segment) return ReadableFile{current_, Readable().end.offset};
  }
  ReadableFile sealed;
  sealed.file = TRY(folder_->Open(SegmentName(segment), LogFileMode::kExisting));
  sealed.limit = TRY(sealed.file->SizeBytes());
  return sealed;
}

base::Status FolderSegments::Scan(
    RecordPosition from, const std::function<bool(RecordPosition, std::string_view)>& visit) const {
  const RecordPosition end = End();
  from = std::max(from, RecordPosition{first_segment_.load(), kSegmentHeaderBytes});
  for (int64_t segment = from.segment; segment <= end.segment; ++segment) {
    const ReadableFile readable = TRY(OpenForReading(segment));
    const int64_t limit = segment == end.segment ? end.offset : readable.limit;
    const int64_t start =
        segment == from.segment ? std::max(from.offset, kSegmentHeaderBytes) : kSegmentHeaderBytes;
    SegmentReader reader(*readable.file, salt_, start, limit);
    RecordPosition position = {segment, start};
    do {
      while (const auto record = TRY(reader.Next())) {
        if (!visit(position, *record)) return base::Status::Ok();
        position.offset = reader.offset();
      }
    } while (reader.damaged() && TRY(PassDamage(reader, position)));
  }
  return base::Status::Ok();
}

// To the next whole record; false when none follows.
base::Result<bool> FolderSegments::PassDamage(SegmentReader& reader,
                                              RecordPosition& position) const {
  damaged_total_.Add();
  const bool more = TRY(reader.SkipDamage());
  base::Log(base::LogLevel::kError, "storage", "a damaged record of a log was passed over",
            {{"log", name_},
             {"segment", SegmentName(position.segment)},
             {"offset", position.offset},
             {"next_record", more ? reader.offset() : -1}});
  position.offset = reader.offset();
  return more;
}

base::Result<std::string> FolderSegments::ReadAt(RecordPosition position) const {
  const auto none = [&] {
    return base::NotFound("no_record", "log " + name_ + " has no record in segment " +
                                           std::to_string(position.segment) + " at offset " +
                                           std::to_string(position.offset));
  };
  if (position.segment < first_segment_ || position.offset < kSegmentHeaderBytes ||
      position >= End())
    return none();
  const ReadableFile readable = TRY(OpenForReading(position.segment));
  if (position.offset >= readable.limit) return none();
  SegmentReader reader(*readable.file, salt_, position.offset, readable.limit);
  const auto record = TRY(reader.Next());
  if (!record)
    return SegmentDamaged(position.segment, position.offset, "no whole record stands here");
  return std::string(*record);
}

}  // namespace

base::Result<std::unique_ptr<Segments>> OpenSegments(std::unique_ptr<LogFolder> folder,
                                                     const SegmentSettings& settings,
                                                     std::string_view name,
                                                     base::Metrics& metrics) {
  if (settings.max_record_bytes < 1 || settings.max_record_bytes > kMostRecordBytes) {
    return base::InvalidArgument("max_record_bytes",
                                 "expected 1 to " + std::to_string(kMostRecordBytes));
  }
  if (settings.segment_bytes <= kSegmentHeaderBytes)
    return base::InvalidArgument("segment_bytes", "expected more than 32");
  RecoveredLog recovered = TRY(RecoverLog(*folder, name));
  return std::unique_ptr<Segments>(std::make_unique<FolderSegments>(
      std::move(folder), settings, std::move(recovered), name, metrics));
}

base::Result<std::unique_ptr<Segments>> Segments::Open(const std::string& folder,
                                                       const SegmentSettings& settings,
                                                       std::string_view name,
                                                       base::Metrics& metrics) {
  return OpenSegments(TRY(OpenLogFolder(folder)), settings, name, metrics);
}

}  // namespace slipway::storage
