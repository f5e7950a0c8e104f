// SPDX-License-Identifier: Apache-2.0
// The shared Database of a fleet: PostgreSQL. The only file that includes libpq-fe.h.
#include <libpq-fe.h>

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

#include "base/metrics.h"
#include "base/status.h"
#include "storage/connection.h"
#include "storage/database.h"

namespace slipway::storage {
namespace {

// Types by number in pg_type.
enum TypeOid : Oid {
  kUnspecified = 0,
  kBool = 16,
  kInt8 = 20,
  kInt2 = 21,
  kInt4 = 23,
  kText = 25,
  kFloat4 = 700,
  kFloat8 = 701,
  kNumeric = 1700
};

// Every write of every replica takes this lock until its commit, so that writes are serialised over
// the whole fleet.
constexpr std::string_view kBeginWrite =
    "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock(7308602434091479919)";
constexpr std::string_view kBeginRead = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
// Never acknowledged before fsync, whatever the server's default; a lock that is held for long is
// an error, not a hang.
constexpr std::string_view kConfigure =
    "SET lock_timeout = '30s'; "
    "SELECT set_config('synchronous_commit', 'on', false) WHERE "
    "current_setting('synchronous_commit') = 'off'";

struct ClearResult {
  void operator()(PGresult* result) const { PQclear(result); }
};
struct CloseConnection {
  void operator()(PGconn* connection) const { PQfinish(connection); }
};
using ResultHandle = std::unique_ptr<PGresult, ClearResult>;

bool Succeeded(const PGresult* result) {
  const ExecStatusType status = PQresultStatus(result);
  return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

std::string_view WithoutNewline(std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  return text;
}

base::Status StatusOf(std::string_view sqlstate, const std::string& text) {
  if (sqlstate == "23505") return base::AlreadyExists("constraint", text);
  if (sqlstate.starts_with("23")) return base::FailedPrecondition("constraint", text);
  if (sqlstate == "25006") return base::FailedPrecondition("read_only", text);
  if (sqlstate == "53100") return base::ResourceExhausted("disk_full", text);
  if (sqlstate == "22021") return base::InvalidArgument("", text);                   // not UTF-8
  if (sqlstate.starts_with("57P")) return base::Unavailable("database_lost", text);  // shut down
  if (sqlstate == "55P03" || sqlstate.starts_with("40") || sqlstate.starts_with("53") ||
      sqlstate.starts_with("57")) {
    return base::Unavailable("database_busy", text);
  }
  if (sqlstate.starts_with("58") || sqlstate.starts_with("XX"))
    return {base::Code::kDataLoss, "disk_error", text};
  return base::Internal("sql_error", text);
}

SqlValue ParseValue(Oid type, std::string_view text) {
  const auto parse = [&]<typename T>(T value) -> SqlValue {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::string(text);
    return value;
  };
  switch (type) {
    case kInt8:
    case kInt4:
    case kInt2:
      return parse(int64_t{0});
    case kBool:
      return int64_t{text == "t"};
    case kFloat4:
    case kFloat8:
      return parse(0.0);
    case kNumeric: {  // SUM and AVG of BIGINT
      const SqlValue integer = parse(int64_t{0});
      return std::holds_alternative<int64_t>(integer) ? integer : parse(0.0);
    }
    default:
      return std::string(text);
  }
}

// The parameters in text form, as PQexecParams takes them.
struct BoundParams {
  explicit BoundParams(const SqlParams& params)
      : numbers(params.size()), types(params.size()), values(params.size()) {
    for (size_t i = 0; i < params.size(); ++i) Bind(i, params[i]);
  }

  void Bind(size_t i, const SqlValue& value) {
    const auto print = [&](auto number, Oid type) {
      *std::to_chars(numbers[i].data(), numbers[i].data() + numbers[i].size() - 1, number).ptr =
          '\0';
      types[i] = type;
      values[i] = numbers[i].data();
    };
    if (const auto* integer = std::get_if<int64_t>(&value)) {
      print(*integer, kInt8);
    } else if (const auto* number = std::get_if<double>(&value)) {
      print(*number, kFloat8);
    } else if (const auto* text = std::get_if<std::string>(&value)) {
      types[i] = kText;
      values[i] = text->c_str();
    } else {
      types[i] = kUnspecified;
      values[i] = nullptr;
    }
  }

  std::vector<std::array<char, 32>> numbers;
  std::vector<Oid> types;
  std::vector<const char*> values;
};

class PostgresqlConnection final : public Connection {
 public:
  PostgresqlConnection(std::string url, ConnectionRole role) : url_(std::move(url)), role_(role) {}

  base::Status Connect();
  base::Result<Rows> Query(std::string_view sql, const SqlParams& params) override;
  base::Result<int64_t> Execute(std::string_view sql, const SqlParams& params) override;
  base::Status Begin() override;
  base::Status Commit() override;
  void Rollback() override {
    // A lost connection has rolled back by itself; Begin connects again.
    if (InTransaction()) (void)Command("ROLLBACK");
  }
  [[nodiscard]] bool InTransaction() const override {
    const PGTransactionStatusType status = PQtransactionStatus(connection_.get());
    return status == PQTRANS_INTRANS || status == PQTRANS_INERROR;
  }

 private:
  base::Status Command(std::string_view sql);  // may be several
  base::Result<ResultHandle> Run(std::string_view sql, const SqlParams& params);
  base::Status Check(const PGresult* result, std::string_view sql) const;
  [[nodiscard]] bool Lost() const { return PQstatus(connection_.get()) != CONNECTION_OK; }

  const std::string url_;
  const ConnectionRole role_;
  std::unique_ptr<PGconn, CloseConnection> connection_;
};

base::Status PostgresqlConnection::Connect() {
  // What stands before dbname is a default that the URL may override.
  const std::array<const char*, 8> keys = {"application_name",
                                           "connect_timeout",
                                           "tcp_user_timeout",
                                           "keepalives_idle",
                                           "dbname",
                                           "client_encoding",
                                           nullptr};
  const std::array<const char*, 8> values = {"slipway",    "10",   "30000", "30",
                                             url_.c_str(), "UTF8", nullptr};
  connection_.reset(PQconnectdbParams(keys.data(), values.data(), 1));
  if (Lost()) {
    return base::Unavailable(
        "database_lost",
        "PostgreSQL: " + std::string(WithoutNewline(PQerrorMessage(connection_.get()))));
  }
  PQsetNoticeProcessor(connection_.get(), [](void*, const char*) {}, nullptr);
  return Command(kConfigure);
}

base::Status PostgresqlConnection::Check(const PGresult* result, std::string_view sql) const {
  if (result != nullptr && Succeeded(result)) return base::Status::Ok();
  const char* state = result == nullptr ? nullptr : PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const char* primary =
      result == nullptr ? nullptr : PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  const std::string_view message =
      primary != nullptr ? primary : WithoutNewline(PQerrorMessage(connection_.get()));
  const std::string text = DescribeSqlError("PostgreSQL: " + std::string(message), sql);
  if (Lost()) return base::Unavailable("database_lost", text);
  return StatusOf(state == nullptr ? "" : state, text);
}

base::Status PostgresqlConnection::Command(std::string_view sql) {
  const ResultHandle result(PQexec(connection_.get(), std::string(sql).c_str()));
  return Check(result.get(), sql);
}

base::Result<ResultHandle> PostgresqlConnection::Run(std::string_view sql,
                                                     const SqlParams& params) {
  const BoundParams bound(params);
  ResultHandle result(PQexecParams(connection_.get(), std::string(sql).c_str(),
                                   static_cast<int>(params.size()), bound.types.data(),
                                   bound.values.data(), nullptr, nullptr, 0));
  TRY(Check(result.get(), sql));
  return result;
}

base::Result<Rows> PostgresqlConnection::Query(std::string_view sql, const SqlParams& params) {
  const ResultHandle result = TRY(Run(sql, params));
  const int count = PQntuples(result.get());
  const int columns = PQnfields(result.get());
  if (static_cast<size_t>(count) > kMaxRows) {
    return base::ResourceExhausted("too_many_rows",
                                   DescribeSqlError("more than 1000000 rows", sql));
  }
  Rows rows;
  rows.reserve(static_cast<size_t>(count));
  for (int row = 0; row < count; ++row) {
    std::vector<SqlValue> values;
    values.reserve(static_cast<size_t>(columns));
    for (int column = 0; column < columns; ++column) {
      if (PQgetisnull(result.get(), row, column) != 0) {
        values.emplace_back(std::monostate{});
        continue;
      }
      const std::string_view text(PQgetvalue(result.get(), row, column),
                                  static_cast<size_t>(PQgetlength(result.get(), row, column)));
      values.push_back(ParseValue(PQftype(result.get(), column), text));
    }
    rows.emplace_back(std::move(values));
  }
  return rows;
}

base::Result<int64_t> PostgresqlConnection::Execute(std::string_view sql, const SqlParams& params) {
  const ResultHandle result = TRY(Run(sql, params));
  const std::string_view text = PQcmdTuples(result.get());
  int64_t changed = 0;
  std::from_chars(text.data(), text.data() + text.size(),
                  changed);  // empty for what changes no rows
  const std::string_view tag = PQcmdStatus(result.get());
  return tag.starts_with("SELECT") ? 0 : changed;
}

base::Status PostgresqlConnection::Begin() {
  const std::string_view begin = role_ == ConnectionRole::kWriter ? kBeginWrite : kBeginRead;
  if (!Lost()) {
    base::Status begun = Command(begin);
    if (begun.ok()) return begun;
    if (!Lost()) {
      Rollback();
      return begun;
    }
  }
  TRY(Connect());
  base::Status begun = Command(begin);
  if (!begun.ok()) Rollback();
  return begun;
}

base::Status PostgresqlConnection::Commit() {
  const ResultHandle result(PQexec(connection_.get(), "COMMIT"));
  base::Status status = Check(result.get(), "COMMIT");
  if (Lost()) {
    return base::Unavailable(
        "commit_outcome_unknown",
        "PostgreSQL was lost during the commit, which may or may not have happened: " +
            status.message());
  }
  if (!status.ok() || std::string_view(PQcmdStatus(result.get())) != "COMMIT") {
    return base::Status(
        base::Code::kAborted, "rolled_back",
        "PostgreSQL rolled the transaction back instead of committing it: " + status.message());
  }
  return status;
}

}  // namespace

base::Result<std::unique_ptr<Database>> OpenPostgresql(const std::string& url,
                                                       const DatabaseSettings& settings,
                                                       base::Metrics& metrics) {
  return MakeDatabase(
      "postgresql",
      [&](ConnectionRole role) -> base::Result<std::unique_ptr<Connection>> {
        auto connection = std::make_unique<PostgresqlConnection>(url, role);
        TRY(connection->Connect());
        return std::unique_ptr<Connection>(std::move(connection));
      },
      settings, metrics);
}

}  // namespace slipway::storage
