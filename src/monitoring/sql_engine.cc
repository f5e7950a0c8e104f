// SPDX-License-Identifier: Apache-2.0
// An SQL query's walk: one SELECT, run under limits, its rows as JSON.
#include "monitoring/sql_engine.h"

#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstring>
#include <string_view>
#include <thread>

#include "base/clock.h"
#include "monitoring/duckdb_library.h"

namespace slipway::monitoring {
namespace {

using base::Json;
using duck::Handle;

constexpr size_t kMostQueryBytes = 100'000;
constexpr size_t kMostAnswerBytes = 64UL * 1024 * 1024;
constexpr std::chrono::milliseconds kTick{50};

// duckdb_type, as its header numbers them.
enum TypeId : int {
  kBoolean = 1,
  kTinyint,
  kSmallint,
  kInteger,
  kBigint,
  kUtinyint,
  kUsmallint,
  kUinteger,
  kUbigint,
  kFloat,
  kDouble,
  kTimestamp,
  kDate,
  kTime,
  kInterval,
  kHugeint,
  kVarchar,
  kBlob,
  kDecimal,
  kTimestampTz = 31,
};
constexpr const char* kTypeNames[] = {"",         "BOOLEAN",  "TINYINT",   "SMALLINT", "INTEGER",
                                      "BIGINT",   "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
                                      "FLOAT",    "DOUBLE",   "TIMESTAMP", "DATE",     "TIME",
                                      "INTERVAL", "HUGEINT",  "VARCHAR",   "BLOB",     "DECIMAL"};

std::string TypeName(int type) {
  if (type >= kBoolean && type <= kDecimal) return kTypeNames[type];
  return type == kTimestampTz ? "TIMESTAMP WITH TIME ZONE" : "";
}

struct ColumnType {
  int id = 0;
  int stored = 0;  // of a decimal
  double scale = 1;
};

template <typename T>
T At(const void* data, uint64_t row) {
  T value;
  std::memcpy(&value, static_cast<const char*>(data) + row * sizeof(T), sizeof(T));
  return value;
}

double HugeAt(const void* data, uint64_t row) {
  const auto low = At<uint64_t>(data, 2 * row);
  const auto high = At<int64_t>(data, 2 * row + 1);
  return std::ldexp(static_cast<double>(high), 64) + static_cast<double>(low);
}

Json HugeJson(const void* data, uint64_t row) {
  const auto low = At<int64_t>(data, 2 * row);
  const auto high = At<int64_t>(data, 2 * row + 1);
  if (high == low >> 63) return low;
  return HugeAt(data, row);
}

Json NumberJson(double value) {
  if (std::isfinite(value)) return value;
  return std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
}

double DecimalAt(const ColumnType& type, const void* data, uint64_t row) {
  switch (type.stored) {
    case kSmallint:
      return At<int16_t>(data, row) / type.scale;
    case kInteger:
      return At<int32_t>(data, row) / type.scale;
    case kBigint:
      return static_cast<double>(At<int64_t>(data, row)) / type.scale;
    default:
      return HugeAt(data, row) / type.scale;
  }
}

Json TextJson(const void* data, uint64_t row) {
  const auto& text = static_cast<const duck::Text*>(data)[row];
  const bool here = text.here.length <= sizeof(text.here.bytes);
  return std::string(here ? text.here.bytes : text.far.bytes, text.here.length);
}

Json IntegerJson(int type, const void* data, uint64_t row) {
  switch (type) {
    case kTinyint:
      return int64_t{At<int8_t>(data, row)};
    case kSmallint:
      return int64_t{At<int16_t>(data, row)};
    case kInteger:
      return int64_t{At<int32_t>(data, row)};
    case kUtinyint:
      return int64_t{At<uint8_t>(data, row)};
    case kUsmallint:
      return int64_t{At<uint16_t>(data, row)};
    case kUinteger:
      return int64_t{At<uint32_t>(data, row)};
    case kUbigint:
      return At<uint64_t>(data, row);
    default:
      return At<int64_t>(data, row);
  }
}

Json CellJson(const ColumnType& type, const void* data, uint64_t row) {
  switch (type.id) {
    case kBoolean:
      return At<uint8_t>(data, row) != 0;
    case kFloat:
      return NumberJson(double{At<float>(data, row)});
    case kDouble:
      return NumberJson(At<double>(data, row));
    case kTimestamp:
    case kTimestampTz:
      return base::FormatTime(At<int64_t>(data, row));
    case kDate:
      return base::FormatTime(At<int32_t>(data, row) * base::kDay).substr(0, 10);
    case kHugeint:
      return HugeJson(data, row);
    case kVarchar:
      return TextJson(data, row);
    case kDecimal:
      return DecimalAt(type, data, row);
    default:
      return IntegerJson(type.id, data, row);
  }
}

bool IsShown(int type) {
  return type >= kBoolean && (type <= kDecimal || type == kTimestampTz) && type != kTime &&
         type != kInterval && type != kBlob;
}

std::string Quoted(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("''") : std::string(1, c);
  return quoted + "'";
}

// Interrupts the connection when its time is over.
class Deadline {
 public:
  Deadline(const duck::Functions& duck, Handle connection, int64_t timeout_ms)
      : thread_([this, &duck, connection, timeout_ms] {
          std::unique_lock lock(mutex_);
          const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
          if (ended_.wait_until(lock, end, [this] { return done_; })) return;
          passed_ = true;
          // Again and again: a statement that begins just after an interrupt does not see it.
          do duck.interrupt(connection);
          while (!ended_.wait_for(lock, kTick, [this] { return done_; }));
        }) {}
  ~Deadline() {
    {
      const std::lock_guard lock(mutex_);
      done_ = true;
    }
    ended_.notify_all();
    thread_.join();
  }
  bool passed() {
    const std::lock_guard lock(mutex_);
    return passed_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable ended_;
  bool done_ = false;
  bool passed_ = false;
  std::thread thread_;
};

// Handles that the library wants back.
template <typename Destroy>
class Owned {
 public:
  explicit Owned(Destroy destroy) : destroy_(destroy) {}
  ~Owned() { destroy_(&handle); }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  Handle handle = nullptr;

 private:
  const Destroy destroy_;
};

class DuckEngine final : public SqlEngine {
 public:
  DuckEngine(const duck::Functions& duck, SqlLimits limits) : duck_(duck), limits_(limits) {}
  ~DuckEngine() override { duck_.close(&database_); }

  base::Status Start(const std::vector<std::string>& folders);
  base::Result<SqlAnswer> Query(const std::vector<std::string>& views, const std::string& query,
                                int64_t max_rows) override;

 private:
  base::Status Run(Handle connection, const std::string& statement) const;
  base::Result<SqlAnswer> Select(Handle connection, const std::string& query,
                                 int64_t max_rows) const;
  base::Result<SqlAnswer> Fetch(duck::Result& result, int64_t max_rows) const;
  base::Status AddRows(Handle chunk, const std::vector<ColumnType>& types, int64_t max_rows,
                       size_t& bytes, SqlAnswer& answer) const;
  base::Result<std::vector<ColumnType>> Columns(duck::Result& result, SqlAnswer& answer) const;
  static base::Status StatusOf(const char* message);

  const duck::Functions& duck_;
  const SqlLimits limits_;
  std::timed_mutex turn_;
  Handle database_ = nullptr;
};

base::Status DuckEngine::StatusOf(const char* message) {
  const std::string_view text = message == nullptr ? "it failed" : message;
  if (text.starts_with("Out of Memory")) {
    return base::ResourceExhausted("sql_memory",
                                   "the query needs more memory than "
                                   "monitoring.sql_memory_mb allows");
  }
  return base::InvalidArgument("query", std::string(text), "bad_query");
}

base::Status DuckEngine::Run(Handle connection, const std::string& statement) const {
  duck::Result result;
  const bool good = duck_.query(connection, statement.c_str(), &result) == duck::kSuccess;
  base::Status status = good ? base::Status::Ok() : StatusOf(duck_.result_error(&result));
  duck_.destroy_result(&result);
  return status;
}

// The order matters: what may be read is named first, then the rest is shut, then the settings.
base::Status DuckEngine::Start(const std::vector<std::string>& folders) {
  Owned config(duck_.destroy_config);
  duck_.create_config(&config.handle);
  const std::pair<const char*, std::string> options[] = {
      {"memory_limit", std::to_string(limits_.memory_mb) + "MB"},
      {"threads", std::to_string(limits_.threads)},
      {"temp_directory", ""},
      {"autoinstall_known_extensions", "false"},
      {"autoload_known_extensions", "false"}};
  for (const auto& [name, value] : options) duck_.set_config(config.handle, name, value.c_str());
  char* error = nullptr;
  if (duck_.open_ext(nullptr, &database_, config.handle, &error) != duck::kSuccess) {
    const std::string why = error == nullptr ? "" : error;
    duck_.free(error);
    return base::Internal("duckdb_failed", "DuckDB does not start: " + why);
  }
  Owned connection(duck_.disconnect);
  duck_.connect(database_, &connection.handle);
  // Footers of the same files, query after query; a version that does not know it does without.
  (void)Run(connection.handle, "SET GLOBAL parquet_metadata_cache = true");
  std::string allowed;
  for (const std::string& folder : folders)
    allowed += (allowed.empty() ? "" : ", ") + Quoted(folder + "/");
  for (const std::string& statement : {"SET GLOBAL allowed_directories = [" + allowed + "]",
                                       std::string("SET GLOBAL TimeZone = 'UTC'"),
                                       std::string("SET GLOBAL enable_external_access = false"),
                                       std::string("SET GLOBAL lock_configuration = true")}) {
    TRY(Run(connection.handle, statement));
  }
  return base::Status::Ok();
}

base::Result<std::vector<ColumnType>> DuckEngine::Columns(duck::Result& result,
                                                          SqlAnswer& answer) const {
  std::vector<ColumnType> types;
  for (uint64_t i = 0; i < duck_.column_count(&result); ++i) {
    Owned logical(duck_.destroy_logical_type);
    logical.handle = duck_.column_logical_type(&result, i);
    ColumnType type{duck_.get_type_id(logical.handle), 0, 1};
    const std::string name = duck_.column_name(&result, i);
    if (!IsShown(type.id)) {
      return base::InvalidArgument(
          "query",
          "column " + name +
              " is of a type that is not shown: cast it to VARCHAR or take "
              "it apart",
          "bad_query");
    }
    if (type.id == kDecimal) {
      type.stored = duck_.decimal_internal_type(logical.handle);
      type.scale = std::pow(10.0, duck_.decimal_scale(logical.handle));
    }
    answer.columns.push_back({name, TypeName(type.id)});
    types.push_back(type);
  }
  return types;
}

base::Status DuckEngine::AddRows(Handle chunk, const std::vector<ColumnType>& types,
                                 int64_t max_rows, size_t& bytes, SqlAnswer& answer) const {
  const uint64_t rows = duck_.data_chunk_get_size(chunk);
  for (uint64_t row = 0; row < rows; ++row) {
    if (static_cast<int64_t>(answer.rows.size()) == max_rows) {
      answer.truncated = true;
      break;
    }
    std::vector<Json>& cells = answer.rows.emplace_back();
    for (size_t i = 0; i < types.size(); ++i) {
      Handle vector = duck_.data_chunk_get_vector(chunk, i);
      const uint64_t* valid = duck_.vector_get_validity(vector);
      const bool present = valid == nullptr || ((valid[row / 64] >> (row % 64)) & 1) != 0;
      cells.push_back(present ? CellJson(types[i], duck_.vector_get_data(vector), row) : Json());
      bytes += cells.back().is_string() ? cells.back().AsString().size() + 8 : 16;
    }
    if (bytes > kMostAnswerBytes) {
      return base::ResourceExhausted("sql_answer_too_large",
                                     "the answer has more than 64 MiB: ask for fewer rows");
    }
  }
  return base::Status::Ok();
}

base::Result<SqlAnswer> DuckEngine::Fetch(duck::Result& result, int64_t max_rows) const {
  SqlAnswer answer;
  const std::vector<ColumnType> types = TRY(Columns(result, answer));
  size_t bytes = 0;
  while (!answer.truncated) {
    Owned chunk(duck_.destroy_data_chunk);
    chunk.handle = duck_.fetch_chunk(result);
    if (chunk.handle == nullptr) {
      const char* error = duck_.result_error(&result);
      if (error != nullptr) return StatusOf(error);
      break;
    }
    TRY(AddRows(chunk.handle, types, max_rows, bytes, answer));
  }
  return answer;
}

base::Result<SqlAnswer> DuckEngine::Select(Handle connection, const std::string& query,
                                           int64_t max_rows) const {
  Owned statements(duck_.destroy_extracted);
  const uint64_t count = duck_.extract_statements(connection, query.c_str(), &statements.handle);
  if (count == 0) {
    const char* error = duck_.extract_statements_error(statements.handle);
    return StatusOf(error == nullptr || *error == 0 ? "expected one SELECT statement" : error);
  }
  Owned prepared(duck_.destroy_prepare);
  if (count == 1 && duck_.prepare_extracted_statement(connection, statements.handle, 0,
                                                      &prepared.handle) != duck::kSuccess)
    return StatusOf(duck_.prepare_error(prepared.handle));
  if (count != 1 || duck_.prepared_statement_type(prepared.handle) != duck::kSelectStatement)
    return base::InvalidArgument("query", "expected one SELECT statement, and nothing else",
                                 "not_a_select");
  duck::Result result;
  const bool good = duck_.execute_prepared_streaming(prepared.handle, &result) == duck::kSuccess;
  auto answer = good ? Fetch(result, max_rows)
                     : base::Result<SqlAnswer>(StatusOf(duck_.result_error(&result)));
  duck_.destroy_result(&result);
  return answer;
}

base::Result<SqlAnswer> DuckEngine::Query(const std::vector<std::string>& views,
                                          const std::string& query, int64_t max_rows) {
  if (query.empty() || query.size() > kMostQueryBytes || query.find('\0') != std::string::npos)
    return base::InvalidArgument("query", "expected a SELECT of at most 100000 bytes");
  const std::unique_lock turn(turn_, std::chrono::milliseconds(limits_.timeout_ms));
  if (!turn.owns_lock())
    return base::ResourceExhausted("sql_busy", "another query is running: try again");
  Owned connection(duck_.disconnect);
  if (duck_.connect(database_, &connection.handle) != duck::kSuccess)
    return base::Internal("duckdb_failed", "DuckDB gives no connection");
  Deadline deadline(duck_, connection.handle, limits_.timeout_ms);
  for (const std::string& view : views) TRY(Run(connection.handle, view));
  auto answer = Select(connection.handle, query, max_rows);
  if (!answer.ok() && deadline.passed()) {
    return base::Status(base::Code::kDeadlineExceeded, "sql_timeout",
                        "the query was ended after " + std::to_string(limits_.timeout_ms) +
                            " ms (monitoring.sql_timeout)");
  }
  return answer;
}

}  // namespace

base::Result<std::unique_ptr<SqlEngine>> SqlEngine::Open(const std::vector<std::string>& folders,
                                                         const SqlLimits& limits) {
  auto engine = std::make_unique<DuckEngine>(*TRY(duck::Load()), limits);
  TRY(engine->Start(folders));
  return std::unique_ptr<SqlEngine>(std::move(engine));
}

}  // namespace slipway::monitoring
