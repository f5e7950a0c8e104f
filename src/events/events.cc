// SPDX-License-Identifier: Apache-2.0
// A version's walk: the fact is written in the transaction of the change, and whoever waits for it
// is woken after the commit.
#include "events/events.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/status.h"
#include "storage/database.h"

namespace slipway::events {
namespace {

constexpr int64_t kMostListed = 1000;
constexpr int64_t kVerifyBatch = 1000;
constexpr std::string_view kColumns = "sequence, time, type, subject, actor, source, data, hash";

enum Column : size_t { kSequence, kTime, kType, kSubject, kActor, kSource, kData, kHash };

// The text that is hashed: JSON with fixed field order; `data` is the stored text, so that it is
// never printed anew.
std::string CanonicalJson(const Event& event, std::string_view data) {
  std::string text =
      "{\"sequence\":" + std::to_string(event.sequence) + ",\"time\":" + std::to_string(event.time);
  const auto add = [&](std::string_view key, std::string_view value) {
    text.append(",\"").append(key).append("\":");
    base::AppendJsonString(text, value);
  };
  add("type", event.type);
  add("subject", event.subject);
  add("actor", event.actor.name);
  add("source", event.actor.source);
  text.append(",\"data\":").append(data).append("}");
  return text;
}

std::string ChainHash(std::string_view former, const Event& event, std::string_view data) {
  base::Sha256 sha;
  sha.Update(former);
  sha.Update(CanonicalJson(event, data));
  return sha.FinishHex();
}

// Without data.
Event FromRow(const storage::Row& row) {
  Event event;
  event.sequence = row.Int(kSequence);
  event.time = row.Int(kTime);
  event.type = row.Text(kType);
  event.subject = row.Text(kSubject);
  event.actor = {row.Text(kActor), row.Text(kSource), ""};
  event.hash = row.Text(kHash);
  return event;
}

base::Status ChainBroken(int64_t sequence, std::string_view what) {
  return {base::Code::kDataLoss, "chain_broken",
          "event " + std::to_string(sequence) + " " + std::string(what)};
}

}  // namespace

struct EventLog::State {
  State(storage::Database& database_in, base::Clock& clock_in)
      : database(database_in), clock(clock_in) {}

  void Wake(int64_t sequence) {
    const std::lock_guard lock(mutex);
    last_written = std::max(last_written, sequence);
    for (const auto& [id, wake] : wakes) wake(sequence);
  }

  base::Result<ChainHead> Walk(storage::Transaction& transaction,
                               const std::optional<ChainHead>& noted);
  base::Result<std::optional<int64_t>> MovedFrom(storage::Transaction& transaction,
                                                 std::string_view former, int64_t sequence);
  base::Status CheckEnd(storage::Transaction& transaction, const ChainHead& head);

  storage::Database& database;
  base::Clock& clock;
  std::mutex mutex;
  std::map<int64_t, std::function<void(int64_t)>> wakes;
  int64_t next_id = 1;
  int64_t last_written = 0;
};

EventLog::EventLog(storage::Database& database, base::Clock& clock)
    : state_(std::make_shared<State>(database, clock)) {}
EventLog::~EventLog() = default;

base::Json ToJson(const Event& event) {
  return base::Json::MakeObject({{"sequence", event.sequence},
                                 {"time", base::FormatTime(event.time)},
                                 {"type", event.type},
                                 {"subject", event.subject},
                                 {"actor", event.actor.name},
                                 {"source", event.actor.source},
                                 {"data", event.data},
                                 {"hash", event.hash}});
}

base::Status EventLog::Append(storage::Transaction& transaction, Event event) {
  if (event.type.empty()) return base::InvalidArgument("type", "an event needs a type");
  if (event.data.is_null()) event.data = base::Json::MakeObject();
  if (!event.data.is_object()) return base::InvalidArgument("data", "expected an object");
  if (!event.actor.reason.empty() && event.data.Find("reason") == nullptr)
    event.data.Set("reason", event.actor.reason);
  const std::string data = event.data.Dump();
  const size_t size = event.type.size() + event.subject.size() + event.actor.name.size() +
                      event.actor.source.size() + data.size();
  if (size > kMaxEventBytes) {
    return base::InvalidArgument(
        "data", "an event has at most " + std::to_string(kMaxEventBytes) + " bytes");
  }
  const storage::Rows last =
      TRY(transaction.Query("SELECT sequence, hash FROM events ORDER BY sequence DESC LIMIT 1"));
  event.sequence = last.empty() ? 1 : last[0].Int(0) + 1;
  event.time = state_->clock.Now();
  event.hash = ChainHash(last.empty() ? "" : last[0].Text(1), event, data);
  TRY(
      transaction.Execute("INSERT INTO events (sequence, time, type, subject, actor, source, data, "
                          "hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                          {event.sequence, event.time, event.type, event.subject, event.actor.name,
                           event.actor.source, data, event.hash}));
  transaction.AfterCommit([state = state_, sequence = event.sequence] { state->Wake(sequence); });
  return base::Status::Ok();
}

base::Result<std::vector<Event>> EventLog::List(const EventFilter& filter) const {
  if (filter.limit < 1 || filter.limit > kMostListed) {
    return base::InvalidArgument("limit", "expected 1 to " + std::to_string(kMostListed));
  }
  std::string sql = "SELECT " + std::string(kColumns) + " FROM events WHERE sequence > $1";
  storage::SqlParams params = {filter.after_sequence};
  const auto add = [&](storage::SqlValue value) {
    params.push_back(std::move(value));
    return "$" + std::to_string(params.size());
  };
  // Not LIKE: it ignores case on SQLite and reads % and _ in the prefix.
  const auto add_prefix = [&](std::string_view column, const std::string& prefix) {
    if (prefix.empty()) return;
    const std::string name = add(prefix);
    sql += " AND substr(" + std::string(column) + ", 1, length(" + name + ")) = " + name;
  };
  add_prefix("type", filter.type_prefix);
  add_prefix("subject", filter.subject_prefix);
  if (!filter.actor.empty()) sql += " AND actor = " + add(filter.actor);
  if (filter.since) sql += " AND time >= " + add(*filter.since);
  if (filter.until) sql += " AND time < " + add(*filter.until);
  sql += filter.newest_first ? " ORDER BY sequence DESC" : " ORDER BY sequence";
  sql += " LIMIT " + add(filter.limit);

  std::vector<Event> events;
  for (const storage::Row& row : TRY(state_->database.Query(sql, params))) {
    Event event = FromRow(row);
    event.data = TRY(base::Json::Parse(row.Text(kData)));
    events.push_back(std::move(event));
  }
  return events;
}

int64_t EventLog::LastSequence() const {
  auto rows = state_->database.Query("SELECT MAX(sequence) FROM events");
  if (rows.ok() && rows->size() == 1) return (*rows)[0].Int(0);
  const std::lock_guard lock(state_->mutex);
  return state_->last_written;
}

int64_t EventLog::Subscribe(std::function<void(int64_t)> wake) {
  const std::lock_guard lock(state_->mutex);
  const int64_t id = state_->next_id++;
  state_->wakes.emplace(id, std::move(wake));
  return id;
}

void EventLog::Unsubscribe(int64_t id) {
  const std::lock_guard lock(state_->mutex);
  state_->wakes.erase(id);
}

base::Result<int64_t> EventLog::Position(std::string_view name) const {
  const storage::Rows rows = TRY(state_->database.Query(
      "SELECT sequence FROM event_positions WHERE name = $1", {std::string(name)}));
  return rows.empty() ? 0 : rows[0].Int(0);
}

base::Status EventLog::SavePosition(storage::Transaction& transaction, std::string_view name,
                                    int64_t sequence) {
  TRY(
      transaction.Execute("INSERT INTO event_positions (name, sequence) VALUES ($1, $2) "
                          "ON CONFLICT (name) DO UPDATE SET sequence = excluded.sequence",
                          {std::string(name), sequence}));
  return base::Status::Ok();
}

// Which event the database holds somewhere else that belongs behind `former` as number `sequence`.
base::Result<std::optional<int64_t>> EventLog::State::MovedFrom(storage::Transaction& transaction,
                                                                std::string_view former,
                                                                int64_t sequence) {
  const std::string sql = "SELECT " + std::string(kColumns) +
                          " FROM events WHERE sequence > $1 ORDER BY sequence LIMIT " +
                          std::to_string(kVerifyBatch);
  int64_t after = 0;
  while (true) {
    const storage::Rows rows = TRY(transaction.Query(sql, {after}));
    for (const storage::Row& row : rows) {
      Event event = FromRow(row);
      after = event.sequence;
      event.sequence = sequence;
      if (ChainHash(former, event, row.Text(kData)) == event.hash) return std::optional(after);
    }
    if (rows.size() < static_cast<size_t>(kVerifyBatch)) return std::optional<int64_t>();
  }
}

// What stands behind the end of the chain is known to every reader that has come further.
base::Status EventLog::State::CheckEnd(storage::Transaction& transaction, const ChainHead& head) {
  const storage::Rows further = TRY(transaction.Query(
      "SELECT name, sequence FROM event_positions WHERE sequence > $1 ORDER BY sequence DESC",
      {head.sequence}));
  if (further.empty()) return base::Status::Ok();
  return ChainBroken(head.sequence + 1, "is missing: the log was cut off, reader '" +
                                            further[0].Text(0) + "' had come to event " +
                                            std::to_string(further[0].Int(1)));
}

base::Result<ChainHead> EventLog::State::Walk(storage::Transaction& transaction,
                                              const std::optional<ChainHead>& noted) {
  const std::string sql = "SELECT " + std::string(kColumns) +
                          " FROM events WHERE sequence > $1 ORDER BY sequence LIMIT " +
                          std::to_string(kVerifyBatch);
  ChainHead head;
  while (true) {
    const storage::Rows rows = TRY(transaction.Query(sql, {head.sequence}));
    for (const storage::Row& row : rows) {
      const Event event = FromRow(row);
      const int64_t sequence = head.sequence + 1;
      if (event.sequence != sequence ||
          ChainHash(head.hash, event, row.Text(kData)) != event.hash) {
        const auto moved = TRY(MovedFrom(transaction, head.hash, sequence));
        if (moved)
          return ChainBroken(sequence, "was moved: it stands as event " + std::to_string(*moved));
        return ChainBroken(sequence, event.sequence != sequence
                                         ? "is missing"
                                         : "was changed: its hash does not fit");
      }
      head = {sequence, event.hash};
      if (noted && noted->sequence == sequence && noted->hash != event.hash)
        return ChainBroken(sequence, "has another hash than was noted: the log was written anew");
    }
    if (rows.size() < static_cast<size_t>(kVerifyBatch)) return head;
  }
}

base::Result<ChainHead> EventLog::VerifyChain(const std::optional<ChainHead>& noted) const {
  ChainHead head;
  TRY(state_->database.Read([&](storage::Transaction& transaction) -> base::Status {
    head = TRY(state_->Walk(transaction, noted));
    return state_->CheckEnd(transaction, head);
  }));
  if (noted && noted->sequence > head.sequence)
    return ChainBroken(head.sequence + 1, "is missing: event " + std::to_string(noted->sequence) +
                                              " was noted, and the log ends before it");
  return head;
}

}  // namespace slipway::events
