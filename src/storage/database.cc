// SPDX-License-Identifier: Apache-2.0
// The Database that both databases share: a group-commit writer and a pool of readers over
// Connections.
#include "storage/database.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/config.h"
#include "base/metrics.h"
#include "base/status.h"
#include "storage/address.h"
#include "storage/connection.h"
#include "storage/group_writer.h"
#include "storage/migrate.h"
#include "storage/migration.h"
#include "storage/reader_pool.h"

namespace slipway::storage {
namespace {

class ConnectedDatabase final : public Database {
 public:
  ConnectedDatabase(std::string_view kind, std::unique_ptr<Connection> writer,
                    std::vector<std::unique_ptr<Connection>> readers,
                    const DatabaseSettings& settings, base::Metrics& metrics)
      : kind_(kind),
        readers_(std::move(readers), kind, metrics),
        writer_(std::move(writer), settings.queue_limit, kind, metrics) {}

  base::Status Write(const std::function<base::Status(Transaction&)>& body) override {
    return writer_.Write(body);
  }
  base::Status Read(const std::function<base::Status(Transaction&)>& body) override {
    return readers_.Read(body);
  }
  base::Status Migrate(std::span<const Migration> migrations) override {
    return Write(
        [&](Transaction& transaction) { return ApplyMigrations(transaction, migrations); });
  }
  [[nodiscard]] std::string_view kind() const override { return kind_; }
  std::optional<uint64_t> ChangesOf(std::string_view room) override {
    if (kind_ != "sqlite") return std::nullopt;  // whose file is this process's alone
    return writer_.ChangesOf(room);
  }

 private:
  const std::string kind_;
  ReaderPool readers_;
  GroupWriter writer_;  // last: stopped first, its callbacks may read
};

class ForeignDatabase final : public Database {
 public:
  ForeignDatabase(std::string_view kind, std::vector<std::unique_ptr<Connection>> readers,
                  base::Metrics& metrics)
      : kind_(kind), readers_(std::move(readers), kind, metrics) {}

  base::Status Write(const std::function<base::Status(Transaction&)>&) override {
    return base::FailedPrecondition("read_only", "another program's database is not written");
  }
  base::Status Read(const std::function<base::Status(Transaction&)>& body) override {
    return readers_.Read(body);
  }
  base::Status Migrate(std::span<const Migration>) override { return Write({}); }
  [[nodiscard]] std::string_view kind() const override { return kind_; }
  std::optional<uint64_t> ChangesOf(std::string_view) override { return std::nullopt; }

 private:
  const std::string kind_;
  ReaderPool readers_;
};

}  // namespace

base::Result<std::unique_ptr<Database>> MakeForeignDatabase(std::string_view kind,
                                                            std::unique_ptr<Connection> connection,
                                                            base::Metrics& metrics) {
  std::vector<std::unique_ptr<Connection>> readers;
  readers.push_back(std::move(connection));
  return std::unique_ptr<Database>(
      std::make_unique<ForeignDatabase>(kind, std::move(readers), metrics));
}

int64_t Row::Int(size_t column) const { return MaybeInt(column).value_or(0); }
double Row::Double(size_t column) const { return MaybeDouble(column).value_or(0); }

const std::string& Row::Text(size_t column) const {
  static const std::string kEmpty;
  if (IsNull(column)) return kEmpty;
  const auto* text = std::get_if<std::string>(&values_[column]);
  CHECK(text != nullptr, "column " + std::to_string(column) + " is not text");
  return *text;
}

std::optional<int64_t> Row::MaybeInt(size_t column) const {
  if (IsNull(column)) return std::nullopt;
  const auto* number = std::get_if<int64_t>(&values_[column]);
  CHECK(number != nullptr, "column " + std::to_string(column) + " is not an integer");
  return *number;
}

std::optional<double> Row::MaybeDouble(size_t column) const {
  if (IsNull(column)) return std::nullopt;
  if (const auto* integer = std::get_if<int64_t>(&values_[column]))
    return static_cast<double>(*integer);
  const auto* number = std::get_if<double>(&values_[column]);
  CHECK(number != nullptr, "column " + std::to_string(column) + " is not a number");
  return *number;
}

std::optional<std::string> Row::MaybeText(size_t column) const {
  if (IsNull(column)) return std::nullopt;
  return Text(column);
}

base::Result<Rows> Database::Query(std::string_view sql, const SqlParams& params) {
  Rows rows;
  const base::Status status = Read([&](Transaction& transaction) -> base::Status {
    rows = TRY(transaction.Query(sql, params));
    return base::Status::Ok();
  });
  if (!status.ok()) return status;
  return rows;
}

std::string DescribeSqlError(std::string_view what, std::string_view sql) {
  std::string text(what);
  text += ": ";
  text += sql.substr(0, kMaxSqlInMessage);
  if (sql.size() > kMaxSqlInMessage) text += "...";
  return text;
}

base::Result<std::unique_ptr<Database>> MakeDatabase(std::string_view kind,
                                                     const OpenConnection& open,
                                                     const DatabaseSettings& settings,
                                                     base::Metrics& metrics) {
  auto writer = TRY(open(ConnectionRole::kWriter));
  std::vector<std::unique_ptr<Connection>> readers;
  for (int64_t i = 0; i < settings.readers || i < 1; ++i)
    readers.push_back(TRY(open(ConnectionRole::kReader)));
  return std::unique_ptr<Database>(std::make_unique<ConnectedDatabase>(
      kind, std::move(writer), std::move(readers), settings, metrics));
}

base::Result<std::unique_ptr<Database>> OpenDatabase(const DatabaseSettings& settings,
                                                     const std::string& data_folder,
                                                     std::span<const DatabaseKind> kinds,
                                                     base::Metrics& metrics) {
  std::string known;
  for (const DatabaseKind& kind : kinds) {
    if (SchemeOf(settings.url) == kind.scheme)
      return kind.open(ResolveAddress(settings.url, data_folder), settings, metrics);
    known.append(known.empty() ? "" : ", ").append(kind.scheme);
  }
  return base::InvalidArgument("database.url",
                               "expected an address that begins with one of " + known);
}

void Describe(base::Schema& schema, DatabaseSettings& settings) {
  schema.Add("database.url", &settings.url,
             "Where metadata is kept: sqlite:<path below the data folder> or "
             "postgresql://user@host/database.");
  schema.Add("database.readers", &settings.readers, "Read connections.", 1, 256);
  schema.Add("database.queue_limit", &settings.queue_limit,
             "Writes that may wait; further ones are refused (429).", 1, 1'000'000);
}

}  // namespace slipway::storage
