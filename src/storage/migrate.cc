// SPDX-License-Identifier: Apache-2.0
// First step after a database is opened: its schema becomes the one of this program, or the program
// stops here.
#include "storage/migrate.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/status.h"
#include "storage/database.h"
#include "storage/migration.h"

namespace slipway::storage {
namespace {

constexpr std::string_view kCreateTable =
    "CREATE TABLE IF NOT EXISTS schema_migrations (room TEXT NOT NULL, number BIGINT NOT NULL, "
    "name TEXT NOT NULL, "
    "sha256 TEXT NOT NULL, applied_at BIGINT NOT NULL, PRIMARY KEY (room, number))";

using Applied = std::map<std::pair<std::string, int64_t>, std::string>;  // (room, number) -> sha256

std::string NameOf(const Migration& migration) {
  std::string number = std::to_string(migration.number);
  number.insert(0, number.size() < 4 ? 4 - number.size() : 0, '0');
  return std::string(migration.room) + "/migrations/" + number + "_" + std::string(migration.name) +
         ".sql";
}

// The end of the quoted text, comment or plain character that starts at `at`.
size_t SkipToken(std::string_view sql, size_t at) {
  const auto after = [&](std::string_view end, size_t from) {
    const size_t found = sql.find(end, from);
    return found == std::string_view::npos ? sql.size() : found + end.size();
  };
  if (sql[at] == '\'' || sql[at] == '"') return after(sql.substr(at, 1), at + 1);
  if (sql.substr(at, 2) == "--") return after("\n", at);
  if (sql.substr(at, 2) == "/*") return after("*/", at + 2);
  return at + 1;
}

// Whether there is anything but spaces and comments.
bool HasStatement(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const bool comment = text.substr(at, 2) == "--" || text.substr(at, 2) == "/*";
    if (!comment && std::string_view(" \t\r\n").find(text[at]) == std::string_view::npos)
      return true;
    at = SkipToken(text, at);
  }
  return false;
}

base::Status CheckOrder(std::span<const Migration> migrations) {
  std::map<std::string_view, int> last;
  for (const Migration& migration : migrations) {
    int& number = last[migration.room];
    if (migration.number <= number) {
      return base::Internal("migration_order",
                            NameOf(migration) + " comes after number " + std::to_string(number));
    }
    number = migration.number;
  }
  return base::Status::Ok();
}

base::Status CheckNoNewer(const Applied& applied, std::span<const Migration> migrations) {
  std::map<std::string, int64_t> known;
  for (const Migration& migration : migrations) {
    auto& most = known[std::string(migration.room)];
    most = std::max<int64_t>(most, migration.number);
  }
  for (const auto& [key, sha256] : applied) {
    const auto found = known.find(key.first);
    if (found != known.end() && key.second > found->second) {
      return base::FailedPrecondition(
          "newer_schema", "the data folder was written by a newer version: " + key.first +
                              " migration " + std::to_string(key.second) + " is not known here");
    }
  }
  return base::Status::Ok();
}

base::Status Apply(Transaction& transaction, const Migration& migration,
                   const std::string& sha256) {
  for (const std::string_view statement : SplitStatements(migration.sql)) {
    auto done = transaction.Execute(statement);
    if (!done.ok()) return base::Status(done.status()).Annotate(NameOf(migration));
  }
  TRY(
      transaction.Execute("INSERT INTO schema_migrations (room, number, name, sha256, applied_at) "
                          "VALUES ($1, $2, $3, $4, $5)",
                          {std::string(migration.room), int64_t{migration.number},
                           std::string(migration.name), sha256, base::SystemClock().Now()}));
  base::Log(base::LogLevel::kDebug, "storage", "migration applied", {{"file", NameOf(migration)}});
  return base::Status::Ok();
}

}  // namespace

std::vector<std::string_view> SplitStatements(std::string_view sql) {
  std::vector<std::string_view> statements;
  size_t start = 0;
  for (size_t at = 0; at <= sql.size();) {
    if (at == sql.size() || sql[at] == ';') {
      const std::string_view statement = sql.substr(start, at - start);
      if (HasStatement(statement)) statements.push_back(statement);
      start = ++at;
    } else {
      at = SkipToken(sql, at);
    }
  }
  return statements;
}

base::Status ApplyMigrations(Transaction& transaction, std::span<const Migration> migrations) {
  TRY(CheckOrder(migrations));
  TRY(transaction.Execute(kCreateTable));
  Applied applied;
  for (const Row& row :
       TRY(transaction.Query("SELECT room, number, sha256 FROM schema_migrations"))) {
    applied.emplace(std::pair(row.Text(0), row.Int(1)), row.Text(2));
  }
  TRY(CheckNoNewer(applied, migrations));
  for (const Migration& migration : migrations) {
    const std::string sha256 = base::Sha256Hex(migration.sql);
    const auto found = applied.find({std::string(migration.room), migration.number});
    if (found == applied.end()) {
      TRY(Apply(transaction, migration, sha256));
    } else if (found->second != sha256) {
      return base::FailedPrecondition(
          "migration_changed", NameOf(migration) +
                                   " was changed after it was applied to this database; a change "
                                   "of the schema is a new file");
    }
  }
  return base::Status::Ok();
}

}  // namespace slipway::storage
