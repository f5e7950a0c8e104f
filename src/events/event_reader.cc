// SPDX-License-Identifier: Apache-2.0
// A version's walk: rooms above the one that changed something learn of it here, also after a
// restart.
#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "events/events.h"
#include "storage/database.h"

namespace slipway::events {

EventReader::EventReader(EventLog& log, storage::Database& database, std::string name,
                         EventFilter filter)
    : log_(log), database_(database), name_(std::move(name)), filter_(std::move(filter)) {
  filter_.since.reset();
  filter_.newest_first = false;
}

base::Result<int64_t> EventReader::ProcessBatch(
    const std::function<base::Status(const Event&)>& handle, int64_t most) {
  const int64_t start = TRY(log_.Position(name_));
  // Read before the list: whatever the filter passes over up to here is done with, too.
  const int64_t last = log_.LastSequence();
  filter_.after_sequence = start;
  filter_.limit = most;
  const std::vector<Event> events = TRY(log_.List(filter_));
  base::Status failure;
  int64_t taken = 0;
  int64_t position = start;
  for (const Event& event : events) {
    failure = handle(event);
    if (!failure.ok()) break;
    ++taken;
    position = event.sequence;
  }
  if (failure.ok() && static_cast<int64_t>(events.size()) < most)
    position = std::max(position, last);
  if (position > start) {
    TRY(database_.Write([&](storage::Transaction& transaction) {
      return log_.SavePosition(transaction, name_, position);
    }));
  }
  if (!failure.ok()) return failure;
  return taken;
}

}  // namespace slipway::events
