// SPDX-License-Identifier: Apache-2.0
// Events: facts that happened, written in the same transaction as the change, in one order
// (sequence 1, 2, 3 ...). Each carries the hash of the one before, so that a change of history
// shows.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "events/actor.h"
#include "storage/database.h"

namespace slipway::events {

inline constexpr size_t kMaxEventBytes = 256 * 1024;  // type, subject, actor and data together

struct Event {
  int64_t sequence = 0;  // given by Append
  base::Micros time = 0;
  std::string
      type;  // "version.created", "version.stage_changed", "rollout.step", "alert.firing" ...
  std::string subject;  // what it is about: "model/flights/version/3", "endpoint/flights"
  Actor actor;
  base::Json data;   // an object
  std::string hash;  // hex SHA-256 over the former event's hash and this event's canonical JSON;
                     // given by Append
};

base::Json ToJson(const Event& event);

struct EventFilter {
  std::string type_prefix = {};
  std::string subject_prefix = {};
  std::string actor = {};  // exactly this one
  int64_t after_sequence = 0;
  std::optional<base::Micros> since = {};
  std::optional<base::Micros> until = {};  // before it
  int64_t limit = 100;                     // <= 1000
  bool newest_first = false;
};

// The newest event of a chain; of an empty one {0, ""}.
struct ChainHead {
  int64_t sequence = 0;
  std::string hash;
};

// Thread-safe. Needs this room's migrations ("events/migrations.h") in the database.
class EventLog {
 public:
  EventLog(storage::Database& database, base::Clock& clock);
  ~EventLog();

  // Inside a write transaction: the event exists exactly if the change does. time, sequence and
  // hash are filled in, and the actor's reason goes into the data as "reason" unless that has one.
  // kInvalidArgument: no type, data that is not an object (nothing becomes {}),
  // more than kMaxEventBytes.
  base::Status Append(storage::Transaction& transaction, Event event);
  base::Result<std::vector<Event>> List(const EventFilter& filter) const;
  // Of the database; when that cannot be read, the last one that this process wrote. 0: none.
  [[nodiscard]] int64_t LastSequence() const;

  // `wake` is called (on the writer's thread, must be quick) at least once after each commit of
  // this process that wrote events. It may not call Subscribe or Unsubscribe. Returns an id for
  // Unsubscribe, after which it is not running and is not called.
  int64_t Subscribe(std::function<void(int64_t last_sequence)> wake);
  void Unsubscribe(int64_t id);

  // A durable reader (see EventReader): its position, the last sequence it is done with, is kept in
  // the database; 0 at first.
  base::Result<int64_t> Position(std::string_view name) const;
  base::Status SavePosition(storage::Transaction& transaction, std::string_view name,
                            int64_t sequence);

  // Recomputes every hash and returns where the chain ends. kDataLoss (reason "chain_broken")
  // naming the first sequence that was changed, removed or moved. Events cut off at the end show
  // when a durable reader had come further, or when `noted`, a head that was kept elsewhere, is not
  // in the chain.
  base::Result<ChainHead> VerifyChain(const std::optional<ChainHead>& noted = {}) const;

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with callbacks of commits under way
};

// A durable consumer of events: each event at least once, in order. Not thread-safe; one reader a
// name.
class EventReader {
 public:
  // `filter` chooses by type_prefix and subject_prefix; its other fields are not used.
  EventReader(EventLog& log, storage::Database& database, std::string name,
              EventFilter filter = {});

  // Hands the next events (at most `most`, <= 1000) to `handle` and saves the position behind the
  // last one that it took. A failure of `handle` is returned; that event comes again next time.
  // Returns how many were taken: 0 means up to date.
  base::Result<int64_t> ProcessBatch(const std::function<base::Status(const Event&)>& handle,
                                     int64_t most = 100);

 private:
  EventLog& log_;
  storage::Database& database_;
  const std::string name_;
  EventFilter filter_;
};

}  // namespace slipway::events
