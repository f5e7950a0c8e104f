// SPDX-License-Identifier: Apache-2.0
// AlertOutbox: brings the messages that Alerts has queued to their sinks: at least once, in order
// for each incident, tried again with growing pauses, across restarts. Private to this room.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/status.h"
#include "monitoring/alert_sink.h"
#include "storage/database.h"

namespace slipway::monitoring {

inline constexpr base::Micros kFirstRetry = base::kSecond;
inline constexpr base::Micros kLongestRetry = 10 * base::kMinute;
inline constexpr base::Micros kGiveUpAfter = 3 * base::kDay;
inline constexpr int64_t kMaxMessagesInStep = 500;

// One thread at a time.
class AlertOutbox {
 public:
  AlertOutbox(storage::Database& database, std::vector<std::unique_ptr<AlertSink>> sinks,
              base::Metrics& metrics);
  std::vector<std::string> SinkNames() const;
  // Tries every message that is due at `now`; returns how many were delivered. A message behind a
  // waiting one of the same incident waits too.
  base::Result<int64_t> DeliverDue(base::Micros now);
  // Tells sinks that want it again of what fires, as often as they want it in real time.
  base::Status Repeat(base::Micros now);

 private:
  struct Waiting;
  base::Result<bool> DeliverOne(const Waiting& waiting, base::Micros now);  // true: done with it
  base::Result<int64_t> DeliverTo(const std::string& sink, base::Micros now);
  AlertSink* SinkOf(const std::string& name) const;

  storage::Database& database_;
  const std::vector<std::unique_ptr<AlertSink>> sinks_;
  base::Metrics& metrics_;
  std::map<std::string, int64_t> repeated_;  // by sink: MonotonicNanos
};

}  // namespace slipway::monitoring
