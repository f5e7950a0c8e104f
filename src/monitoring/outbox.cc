// SPDX-License-Identifier: Apache-2.0
// An alert's last walk: from the database, where it was written with its change, to the outside.
#include "monitoring/outbox.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/log.h"

namespace slipway::monitoring {

struct AlertOutbox::Waiting {
  int64_t sequence = 0;
  std::string sink;
  AlertMessage message;
  int64_t attempts = 0;
  base::Micros next_attempt = 0;
};

namespace {

constexpr int64_t kNanosPerMicro = 1000;

base::Micros PauseAfter(int64_t attempts) {
  base::Micros pause = kFirstRetry;
  for (int64_t i = 1; i < attempts && pause < kLongestRetry; ++i) pause *= 2;
  return std::min(pause, kLongestRetry);
}

}  // namespace

AlertOutbox::AlertOutbox(storage::Database& database, std::vector<std::unique_ptr<AlertSink>> sinks,
                         base::Metrics& metrics)
    : database_(database), sinks_(std::move(sinks)), metrics_(metrics) {}

std::vector<std::string> AlertOutbox::SinkNames() const {
  std::vector<std::string> names;
  names.reserve(sinks_.size());
  for (const auto& sink : sinks_) names.emplace_back(sink->name());
  return names;
}

AlertSink* AlertOutbox::SinkOf(const std::string& name) const {
  for (const auto& sink : sinks_) {
    if (sink->name() == name) return sink.get();
  }
  return nullptr;
}

base::Result<bool> AlertOutbox::DeliverOne(const Waiting& waiting, base::Micros now) {
  AlertSink* sink = SinkOf(waiting.sink);
  Delivery delivery =
      sink == nullptr
          ? Delivery{Delivery::Outcome::kRejected, "this sink is no longer configured", {}}
          : sink->Deliver(waiting.message, now);
  const int64_t attempts = waiting.attempts + 1;
  if (delivery.outcome == Delivery::Outcome::kRetry &&
      now - waiting.message.created >= kGiveUpAfter) {
    delivery = {Delivery::Outcome::kRejected, "given up after 3 days: " + delivery.detail, {}};
  }
  const bool again = delivery.outcome == Delivery::Outcome::kRetry;
  const base::Micros pause =
      std::min(std::max(PauseAfter(attempts), delivery.retry_after.value_or(0)), kLongestRetry);
  const std::string state = again                                               ? "waiting"
                            : delivery.outcome == Delivery::Outcome::kDelivered ? "delivered"
                                                                                : "rejected";
  TRY(database_.Write([&](storage::Transaction& transaction) -> base::Status {
    TRY(
        transaction.Execute("UPDATE alert_outbox SET state = $2, attempts = $3, next_attempt = $4, "
                            "detail = $5 WHERE sequence = $1",
                            {waiting.sequence, state, attempts, now + pause, delivery.detail}));
    return base::Status::Ok();
  }));
  metrics_
      .GetCounter("slipway_monitoring_alert_deliveries", "Attempts to deliver an alert message.",
                  {{"sink", waiting.sink}, {"outcome", again ? "retry" : state}})
      .Add();
  if (delivery.outcome != Delivery::Outcome::kDelivered) {
    base::Log(again ? base::LogLevel::kWarning : base::LogLevel::kError, "monitoring",
              "an alert was not delivered",
              {{"sink", waiting.sink},
               {"incident", waiting.message.incident},
               {"attempts", attempts},
               {"again", again},
               {"why", delivery.detail}});
  }
  return !again;
}

// Sink by sink: what one of them does not take must not keep the others waiting.
base::Result<int64_t> AlertOutbox::DeliverDue(base::Micros now) {
  int64_t delivered = 0;
  const storage::Rows sinks = TRY(database_.Query(
      "SELECT DISTINCT sink FROM alert_outbox WHERE state = 'waiting' ORDER BY sink"));
  for (const storage::Row& sink : sinks) delivered += TRY(DeliverTo(sink.Text(0), now));
  return delivered;
}

base::Result<int64_t> AlertOutbox::DeliverTo(const std::string& sink, base::Micros now) {
  const storage::Rows rows =
      TRY(database_.Query("SELECT sequence, sink, id, type, incident, body, created, attempts, "
                          "next_attempt FROM alert_outbox "
                          "WHERE state = 'waiting' AND sink = $1 ORDER BY sequence LIMIT $2",
                          {sink, kMaxMessagesInStep}));
  std::set<std::string> blocked;  // incidents
  int64_t delivered = 0;
  for (const storage::Row& row : rows) {
    const Waiting waiting{row.Int(0),
                          row.Text(1),
                          {row.Text(2), row.Text(3), row.Text(4), row.Text(5), row.Int(6)},
                          row.Int(7),
                          row.Int(8)};
    if (blocked.contains(waiting.message.incident)) continue;
    if (waiting.next_attempt > now || !TRY(DeliverOne(waiting, now))) {
      blocked.insert(waiting.message.incident);
    } else {
      ++delivered;
    }
  }
  return delivered;
}

// Not kept: one that does not arrive is followed by the next.
base::Status AlertOutbox::Repeat(base::Micros now) {
  for (const auto& sink : sinks_) {
    const auto every = sink->repeat();
    if (!every) continue;
    int64_t& last = repeated_[std::string(sink->name())];
    const int64_t monotonic = base::MonotonicNanos();
    if (last != 0 && monotonic - last < *every * kNanosPerMicro) continue;
    last = monotonic;
    const storage::Rows rows = TRY(database_.Query(
        "SELECT id, type, incident, body, created FROM alert_outbox o WHERE sink = $1 AND state = "
        "'delivered' AND type = 'alert.firing' AND incident IN (SELECT id FROM alerts WHERE state "
        "= 'firing') AND NOT EXISTS (SELECT 1 FROM alert_outbox later WHERE later.sink = o.sink "
        "AND later.incident = o.incident AND later.type = 'alert.resolved') ORDER BY sequence "
        "LIMIT $2",
        {std::string(sink->name()), kMaxMessagesInStep}));
    for (const storage::Row& row : rows)
      sink->Deliver({row.Text(0), row.Text(1), row.Text(2), row.Text(3), row.Int(4)}, now);
  }
  return base::Status::Ok();
}

}  // namespace slipway::monitoring
