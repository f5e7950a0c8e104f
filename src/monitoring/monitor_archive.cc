// SPDX-License-Identifier: Apache-2.0
// Behind the log: closed segments become tables, tables past their retention go.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/log.h"
#include "monitoring/monitor_state.h"
#include "monitoring/record_store.h"

namespace slipway::monitoring {
namespace {

constexpr int kNice = 19;
constexpr std::chrono::seconds kRest{1};
constexpr std::chrono::seconds kRestAfterFailure{30};

}  // namespace

base::Status Monitor::State::OpenKeeping() {
  keep_rules = TRY(ReadKeepRules(settings.endpoints));
  redactor = TRY(Redactor::Make(keep_rules, settings.redaction_salt));
  return base::Status::Ok();
}

base::Status Monitor::State::ApplyRetention(base::Micros now) {
  const KeepRule others{settings.retention_days, settings.retention_bytes, {}, {}};
  double shortest = settings.retention_days;
  for (const auto& [name, rule] : keep_rules) {
    const double days = rule.retention_days.value_or(0);
    if (days > 0) shortest = shortest > 0 ? std::min(shortest, days) : days;
  }
  RecordStore& store = log->store();
  if (shortest > 0) {
    // A quiet endpoint's last file would never be closed by its size.
    const auto age = static_cast<base::Micros>(shortest * static_cast<double>(base::kDay));
    if (log->HasOpenBefore(now - age)) TRY(store.segments().Seal());
    while (TRY(store.ArchiveOldest())) archived_segments.Add();
  }
  const auto past = PastRetention(store.archive()->Files(), keep_rules, others, now);
  if (past.empty()) return base::Status::Ok();
  TRY(store.archive()->Remove(past));
  for (const ArchivedFile& file : past) removed_rows.Add(static_cast<double>(file.rows));
  return base::Status::Ok();
}

base::Status Monitor::State::KeepHouse(base::Micros now) {
  while (TRY(log->store().ArchiveOldest())) {
    archived_segments.Add();
    const std::lock_guard lock(delivery_mutex);
    if (stopping) return base::Status::Ok();
  }
  return ApplyRetention(now);
}

void Monitor::State::RunArchive() {
  // Of this thread alone (Linux): answers come first.
  (void)setpriority(PRIO_PROCESS, 0, kNice);
  std::unique_lock lock(delivery_mutex);
  while (!stopping) {
    lock.unlock();
    queue.Flush();
    const base::Status kept = KeepHouse(parts.clock.Now());
    if (!kept.ok()) {
      archive_failures.Add();
      base::Log(base::LogLevel::kError, "monitoring",
                "closed segments of the prediction log could not be archived; they are kept",
                {{"why", kept.ToString()}});
    }
    lock.lock();
    delivery_wake.wait_for(lock, kept.ok() ? kRest : kRestAfterFailure, [&] { return stopping; });
  }
}

}  // namespace slipway::monitoring
