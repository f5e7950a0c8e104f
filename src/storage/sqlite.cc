// SPDX-License-Identifier: Apache-2.0
// The embedded Database: SQLite in WAL mode, synchronous=FULL. The only file that includes
// sqlite3.h.
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "base/files.h"
#include "base/metrics.h"
#include "base/status.h"
#include "storage/address.h"
#include "storage/connection.h"
#include "storage/database.h"
#include "storage/foreign.h"

namespace slipway::storage {
namespace {

constexpr int kBusyTimeoutMs = 10'000;  // another process (a backup tool) holds the lock
constexpr size_t kMaxCachedStatements = 256;

struct CloseSqlite {
  void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
};
struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using StatementHandle = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

// Ends one use of a cached statement.
class StatementUse {
 public:
  explicit StatementUse(sqlite3_stmt* statement) : statement_(statement) {}
  ~StatementUse() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }
  StatementUse(const StatementUse&) = delete;
  StatementUse& operator=(const StatementUse&) = delete;

 private:
  sqlite3_stmt* statement_;
};

base::Status StatusOf(int extended_code, std::string_view message, std::string_view sql) {
  const std::string text = DescribeSqlError("SQLite: " + std::string(message), sql);
  switch (extended_code) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
      return base::AlreadyExists("constraint", text);
    default:
      break;
  }
  switch (extended_code & 0xff) {
    case SQLITE_CONSTRAINT:
      return base::FailedPrecondition("constraint", text);
    case SQLITE_FULL:
      return base::ResourceExhausted("disk_full", text);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return base::Unavailable("database_busy", text);
    case SQLITE_READONLY:
      return base::FailedPrecondition("read_only", text);
    case SQLITE_IOERR:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return {base::Code::kDataLoss, "disk_error", text};
    default:
      return base::Internal("sql_error", text);
  }
}

SqlValue ColumnValue(sqlite3_stmt* statement, int column) {
  switch (sqlite3_column_type(statement, column)) {
    case SQLITE_NULL:
      return std::monostate{};
    case SQLITE_INTEGER:
      return int64_t{sqlite3_column_int64(statement, column)};
    case SQLITE_FLOAT:
      return sqlite3_column_double(statement, column);
    default: {
      const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, column));
      return std::string(text, static_cast<size_t>(sqlite3_column_bytes(statement, column)));
    }
  }
}

// Bound text lives in the parameters until the statement is reset (SQLITE_STATIC).
int BindValue(sqlite3_stmt* statement, int index, const SqlValue& value) {
  if (const auto* integer = std::get_if<int64_t>(&value))
    return sqlite3_bind_int64(statement, index, *integer);
  if (const auto* number = std::get_if<double>(&value))
    return sqlite3_bind_double(statement, index, *number);
  if (const auto* text = std::get_if<std::string>(&value)) {
    return sqlite3_bind_text64(statement, index, text->data(), text->size(), SQLITE_STATIC,
                               SQLITE_UTF8);
  }
  return sqlite3_bind_null(statement, index);
}

class SqliteConnection final : public Connection {
 public:
  static base::Result<std::unique_ptr<Connection>> Open(const std::string& path,
                                                        ConnectionRole role);

  base::Result<Rows> Query(std::string_view sql, const SqlParams& params) override;
  base::Result<int64_t> Execute(std::string_view sql, const SqlParams& params) override;
  base::Status Begin() override {
    return Command(role_ == ConnectionRole::kWriter ? "BEGIN IMMEDIATE" : "BEGIN");
  }
  base::Status Commit() override { return Command("COMMIT"); }
  void Rollback() override {
    // Nothing to roll back when SQLite did it already; any other failure shows at the next Begin.
    if (InTransaction()) (void)Command("ROLLBACK");
  }
  [[nodiscard]] bool InTransaction() const override {
    return sqlite3_get_autocommit(database_.get()) == 0;
  }

 private:
  explicit SqliteConnection(ConnectionRole role) : role_(role) {}
  base::Status Command(std::string_view sql) {
    auto done = Execute(sql, {});
    return done.ok() ? base::Status::Ok() : done.status();
  }
  base::Status Configure();
  struct Statement {
    StatementHandle handle;
    std::vector<int> places;  // SQLite's index of $1, $2, ...
  };
  struct HashText {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  base::Result<Statement*> Find(std::string_view sql);
  base::Result<Statement*> Prepare(std::string_view sql, const SqlParams& params);
  // SQLITE_ROW or SQLITE_DONE.
  base::Result<int> Step(sqlite3_stmt* statement, std::string_view sql);
  base::Status LastError(std::string_view sql) const {
    return StatusOf(sqlite3_extended_errcode(database_.get()), sqlite3_errmsg(database_.get()),
                    sql);
  }

  const ConnectionRole role_;
  std::unique_ptr<sqlite3, CloseSqlite> database_;
  // After database_: finalised before it closes.
  std::unordered_map<std::string, Statement, HashText, std::equal_to<>> statements_;
};

// "$7" is a name to SQLite, numbered in the order of appearance, and looked for among all names:
// done once a statement.
std::vector<int> PlacesOf(sqlite3_stmt* statement) {
  const int count = sqlite3_bind_parameter_count(statement);
  std::vector<int> places(static_cast<size_t>(count), 0);
  for (int index = 1; index <= count; ++index) {
    const char* name = sqlite3_bind_parameter_name(statement, index);
    const std::string_view digits = name == nullptr ? "" : std::string_view(name).substr(1);
    size_t number = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (number >= 1 && number <= places.size()) places[number - 1] = index;
  }
  return places;
}

base::Result<SqliteConnection::Statement*> SqliteConnection::Find(std::string_view sql) {
  const auto found = statements_.find(sql);
  if (found != statements_.end()) return &found->second;
  if (statements_.size() >= kMaxCachedStatements) statements_.clear();
  sqlite3_stmt* made = nullptr;
  const char* tail = nullptr;
  const int code = sqlite3_prepare_v3(database_.get(), sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &made, &tail);
  StatementHandle handle(made);
  if (code != SQLITE_OK) return LastError(sql);
  if (made == nullptr) return base::Internal("sql_error", DescribeSqlError("no statement", sql));
  const std::string_view rest = sql.substr(static_cast<size_t>(tail - sql.data()));
  if (rest.find_first_not_of("; \t\r\n") != std::string_view::npos) {
    return base::Internal("sql_error", DescribeSqlError("more than one statement", sql));
  }
  Statement statement{std::move(handle), PlacesOf(made)};
  return &statements_.emplace(std::string(sql), std::move(statement)).first->second;
}

base::Result<SqliteConnection::Statement*> SqliteConnection::Prepare(std::string_view sql,
                                                                     const SqlParams& params) {
  Statement* statement = TRY(Find(sql));
  if (statement->places.size() != params.size()) {
    return base::Internal(
        "sql_error",
        DescribeSqlError(std::to_string(params.size()) + " parameters given, the statement has " +
                             std::to_string(statement->places.size()),
                         sql));
  }
  for (size_t i = 0; i < params.size(); ++i) {
    if (statement->places[i] == 0)
      return base::Internal("sql_error",
                            DescribeSqlError("no parameter $" + std::to_string(i + 1), sql));
    if (BindValue(statement->handle.get(), statement->places[i], params[i]) != SQLITE_OK)
      return LastError(sql);
  }
  return statement;
}

base::Result<int> SqliteConnection::Step(sqlite3_stmt* statement, std::string_view sql) {
  const int code = sqlite3_step(statement);
  if (code == SQLITE_ROW || code == SQLITE_DONE) return code;
  return LastError(sql);
}

base::Result<Rows> SqliteConnection::Query(std::string_view sql, const SqlParams& params) {
  const Statement& prepared = *TRY(Prepare(sql, params));
  sqlite3_stmt* statement = prepared.handle.get();
  const StatementUse use(statement);
  const int columns = sqlite3_column_count(statement);
  Rows rows;
  while (TRY(Step(statement, sql)) == SQLITE_ROW) {
    if (rows.size() == kMaxRows) {
      return base::ResourceExhausted("too_many_rows",
                                     DescribeSqlError("more than 1000000 rows", sql));
    }
    std::vector<SqlValue> values;
    values.reserve(static_cast<size_t>(columns));
    for (int column = 0; column < columns; ++column)
      values.push_back(ColumnValue(statement, column));
    rows.emplace_back(std::move(values));
  }
  return rows;
}

base::Result<int64_t> SqliteConnection::Execute(std::string_view sql, const SqlParams& params) {
  sqlite3_stmt* statement = TRY(Prepare(sql, params))->handle.get();
  const StatementUse use(statement);
  const int64_t before = sqlite3_total_changes64(database_.get());
  while (TRY(Step(statement, sql)) == SQLITE_ROW) {
  }
  // sqlite3_changes64 still holds the former statement's count after one that changes no rows.
  return sqlite3_total_changes64(database_.get()) == before
             ? 0
             : int64_t{sqlite3_changes64(database_.get())};
}

base::Status SqliteConnection::Configure() {
  sqlite3_busy_timeout(database_.get(), kBusyTimeoutMs);
  if (role_ == ConnectionRole::kForeign) return Command("PRAGMA query_only=ON");
  const Rows mode = TRY(Query("PRAGMA journal_mode=WAL", {}));
  if (mode.size() != 1 || mode[0].Text(0) != "wal") {
    return base::FailedPrecondition("no_wal",
                                    "this file system does not allow SQLite's write-ahead log");
  }
  TRY(Command("PRAGMA synchronous=FULL"));
  TRY(Command("PRAGMA foreign_keys=ON"));
  TRY(Command("PRAGMA trusted_schema=OFF"));
  // A page that is written again and again is carried into the file once: 16 MiB, not 4.
  TRY(Command("PRAGMA wal_autocheckpoint=4096"));
  TRY(Command("PRAGMA journal_size_limit=67108864"));
  TRY(Command(
      "PRAGMA cache_size=-16384"));  // 16 MiB, of what was read: SQLite's own 2 are soon full
  if (role_ == ConnectionRole::kReader) TRY(Command("PRAGMA query_only=ON"));
  return base::Status::Ok();
}

base::Result<std::unique_ptr<Connection>> SqliteConnection::Open(const std::string& path,
                                                                 ConnectionRole role) {
  std::unique_ptr<SqliteConnection> connection(new SqliteConnection(role));
  sqlite3* opened = nullptr;
  const int access = role == ConnectionRole::kForeign ? SQLITE_OPEN_READONLY
                                                      : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  const int flags = access | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int code = sqlite3_open_v2(path.c_str(), &opened, flags, nullptr);
  connection->database_.reset(opened);
  if (code != SQLITE_OK) {
    return StatusOf(code, opened == nullptr ? "out of memory" : sqlite3_errmsg(opened),
                    "open " + path);
  }
  base::Status configured = connection->Configure();
  if (!configured.ok()) return std::move(configured).Annotate("open " + path);
  return std::unique_ptr<Connection>(std::move(connection));
}

}  // namespace

base::Result<std::unique_ptr<Database>> OpenSqlite(const std::string& url,
                                                   const DatabaseSettings& settings,
                                                   base::Metrics& metrics) {
  const std::string path = PathOfAddress(url, "sqlite");
  if (path.empty()) return base::InvalidArgument("database.url", "expected sqlite:<path>");
  auto database = TRY(MakeDatabase(
      "sqlite", [&](ConnectionRole role) { return SqliteConnection::Open(path, role); }, settings,
      metrics));
  // SQLite makes the file's bytes durable, not its name in the folder.
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  const base::Directory directory =
      TRY(base::Directory::Open(folder.empty() ? "." : folder.string(), false));
  if (fsync(directory.fd()) != 0) return base::FromErrno(errno, "fsync " + directory.path());
  return database;
}

base::Result<std::unique_ptr<Database>> OpenForeignSqlite(const std::string& path,
                                                          base::Metrics& metrics) {
  if (!std::filesystem::exists(path))
    return base::NotFound("no_such_file", "there is no database " + path);
  return MakeForeignDatabase("sqlite", TRY(SqliteConnection::Open(path, ConnectionRole::kForeign)),
                             metrics);
}

}  // namespace slipway::storage
