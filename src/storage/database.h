// SPDX-License-Identifier: Apache-2.0
// Database: metadata behind one face. SQLite (WAL, one writer thread, group commit, fsync before
// acknowledging) or PostgreSQL. SQL is the common part of both, parameters are $1, $2, ...; columns
// are BIGINT, DOUBLE PRECISION or TEXT.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/config.h"
#include "base/metrics.h"
#include "base/status.h"
#include "storage/migration.h"

namespace slipway::storage {

using SqlValue = std::variant<std::monostate, int64_t, double, std::string>;  // monostate is NULL
using SqlParams = std::vector<SqlValue>;

class Row {
 public:
  explicit Row(std::vector<SqlValue> values) : values_(std::move(values)) {}
  [[nodiscard]] bool IsNull(size_t column) const {
    return std::holds_alternative<std::monostate>(values_.at(column));
  }
  // NULL reads as 0, 0.0 and "". A number column read as text (or the like) CHECKs.
  [[nodiscard]] int64_t Int(size_t column) const;
  [[nodiscard]] double Double(size_t column) const;  // integers too
  [[nodiscard]] const std::string& Text(size_t column) const;
  [[nodiscard]] std::optional<int64_t> MaybeInt(size_t column) const;
  [[nodiscard]] std::optional<double> MaybeDouble(size_t column) const;
  [[nodiscard]] std::optional<std::string> MaybeText(size_t column) const;
  [[nodiscard]] size_t size() const { return values_.size(); }

 private:
  std::vector<SqlValue> values_;
};
using Rows = std::vector<Row>;

// Runs statements; valid only inside the function it is given to, on that thread. After a statement
// has failed the transaction can only fail: later statements return the same failure, and so does
// the Write or Read even if `body` says ok (to try one thing and then another, ask first with a
// Query, or use INSERT ... ON CONFLICT DO NOTHING). A statement is one command; its parameters may
// not hold text with NUL (kInvalidArgument); NaN is stored as NULL. Reasons of failures besides
// "constraint": "sql_error" (kInternal), "read_only", "disk_full" (kResourceExhausted),
// "database_busy" and "database_lost" (kUnavailable).
class Transaction {
 public:
  virtual ~Transaction() = default;
  virtual base::Result<Rows> Query(std::string_view sql, const SqlParams& params = {}) = 0;
  // Rows changed. A unique or foreign key violation is kAlreadyExists / kFailedPrecondition with
  // reason "constraint".
  virtual base::Result<int64_t> Execute(std::string_view sql, const SqlParams& params = {}) = 0;
  // Called on the writer's thread right after the commit is durable (not on rollback) and before
  // Write returns; must be quick. Not in a Read.
  virtual void AfterCommit(std::function<void()> callback) = 0;
};

// Thread-safe.
class Database {
 public:
  virtual ~Database() = default;
  // All or nothing, serialised with every other write: `body` returning a failure rolls its changes
  // back and that failure is returned. Returns once the change is durable. Blocks: never call it on
  // an I/O thread, nor inside another `body`. kUnavailable with reason "commit_outcome_unknown":
  // PostgreSQL was lost during the commit, look before trying again. kDataLoss: the disk failed
  // (fsync); nothing is written from then on (reason "writer_stopped").
  virtual base::Status Write(const std::function<base::Status(Transaction&)>& body) = 0;
  // A consistent read of committed data on a pooled connection; a change is refused (reason
  // "read_only"). Not inside a Read.
  virtual base::Status Read(const std::function<base::Status(Transaction&)>& body) = 0;
  // Brings the schema up: rooms in the order given, numbers rising, each once, recorded in table
  // `schema_migrations`, all or nothing. kFailedPrecondition: "migration_changed" (names the file),
  // "newer_schema" (a newer version wrote the database).
  virtual base::Status Migrate(std::span<const Migration> migrations) = 0;
  [[nodiscard]] virtual std::string_view kind() const = 0;  // "sqlite" | "postgresql"
  // How often tables of a room ("tracking": those named tracking_...) were changed: it has risen
  // before the Write returns, so an answer kept in memory is still true while the count is the one
  // from before it was read. Absent where other processes write too (PostgreSQL).
  virtual std::optional<uint64_t> ChangesOf(std::string_view room) = 0;

  // One-statement read.
  base::Result<Rows> Query(std::string_view sql, const SqlParams& params = {});
};

struct DatabaseSettings {
  // "sqlite:<path>" (relative to the data folder) or "postgresql://user@host/db" as libpq takes it.
  std::string url = "sqlite:slipway.db";
  int64_t readers = 4;          // read connections
  int64_t queue_limit = 10000;  // writes waiting; past it kResourceExhausted
};

// Settings database.url, database.readers, database.queue_limit.
void Describe(base::Schema& schema, DatabaseSettings& settings);

// A kind of database: one row in app/assembly.cc. `open` gets the whole URL.
struct DatabaseKind {
  std::string_view scheme;
  base::Result<std::unique_ptr<Database>> (*open)(const std::string& url,
                                                  const DatabaseSettings& settings,
                                                  base::Metrics& metrics);
};

// Opens settings.url, of the schemes in `kinds`; a relative path in it is below `data_folder`,
// which must exist.
base::Result<std::unique_ptr<Database>> OpenDatabase(const DatabaseSettings& settings,
                                                     const std::string& data_folder,
                                                     std::span<const DatabaseKind> kinds,
                                                     base::Metrics& metrics);

// "sqlite:<path>" or the bare path; made when absent.
base::Result<std::unique_ptr<Database>> OpenSqlite(const std::string& url,
                                                   const DatabaseSettings& settings,
                                                   base::Metrics& metrics);
base::Result<std::unique_ptr<Database>> OpenPostgresql(const std::string& url,
                                                       const DatabaseSettings& settings,
                                                       base::Metrics& metrics);

}  // namespace slipway::storage
