// SPDX-License-Identifier: Apache-2.0
// Events: facts that happened, written in the same transaction as the change, in one order (sequence 1, 2, 3 ...).
// Each carries the hash of the one before, so that a change of history shows.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "events/actor.h"
#include "base/clock.h"
#include "base/json.h"
#include "storage/database.h"

namespace slipway::events {

struct Event {
  int64_t sequence = 0;     // given by Append
  base::Micros time = 0;
  std::string type;         // "version.created", "version.stage_changed", "rollout.step", "alert.firing" ...
  std::string subject;      // what it is about: "model/flights/version/3", "endpoint/flights"
  Actor actor;
  base::Json data;          // an object
  std::string hash;         // hex SHA-256 over the former event's hash and this event's canonical JSON; given by Append
};

base::Json ToJson(const Event& event);

struct EventFilter {
  std::string type_prefix;
  std::string subject_prefix;
  int64_t after_sequence = 0;
  std::optional<base::Micros> since;
  int64_t limit = 100;  // <= 1000
  bool newest_first = false;
};

// Thread-safe.
class EventLog {
 public:
  EventLog(storage::Database& database, base::Clock& clock);
  ~EventLog();

  // Inside a write transaction: the event exists exactly if the change does. time, sequence and hash are filled in.
  base::Status Append(storage::Transaction& transaction, Event event);
  base::Result<std::vector<Event>> List(const EventFilter& filter) const;
  int64_t LastSequence() const;

  // `wake` is called (on the writer's thread, must be quick) after each commit that wrote events. Returns an id for Unsubscribe.
  int64_t Subscribe(std::function<void(int64_t last_sequence)> wake);
  void Unsubscribe(int64_t id);

  // A durable reader: its position is kept in the database under `name`.
  base::Result<int64_t> Position(std::string_view name) const;
  base::Status SavePosition(storage::Transaction& transaction, std::string_view name, int64_t sequence);

  // Recomputes every hash. kDataLoss naming the first sequence that does not fit.
  base::Status VerifyChain() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace slipway::events
