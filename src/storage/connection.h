// SPDX-License-Identifier: Apache-2.0
// Connection: what the shared machinery (group-commit writer, reader pool) asks of a database's C
// API; one file per database. Private to this room. Not thread-safe: one thread at a time.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "base/status.h"
#include "storage/database.h"

namespace slipway::storage {

inline constexpr size_t kMaxRows = 1'000'000;  // of one Query; past it kResourceExhausted
inline constexpr size_t kMaxSqlInMessage =
    200;  // characters of the statement that an error repeats

class Connection {
 public:
  virtual ~Connection() = default;
  virtual base::Result<Rows> Query(std::string_view sql, const SqlParams& params) = 0;
  virtual base::Result<int64_t> Execute(std::string_view sql, const SqlParams& params) = 0;
  // Begins a transaction of the connection's kind (reader or writer); connects again first when the
  // connection was lost.
  virtual base::Status Begin() = 0;
  // Ok: durable. kDataLoss: the outcome is unknown and this process cannot find out, so it must not
  // write any more. Any other failure: rolled back, except reason "commit_outcome_unknown" (the
  // server was lost between the request and its answer).
  virtual base::Status Commit() = 0;
  virtual void Rollback() = 0;
  // False when the database ended the transaction by itself (disk full, lost connection).
  [[nodiscard]] virtual bool InTransaction() const = 0;
};

enum class ConnectionRole {
  kReader,
  kWriter,
  kForeign,  // reads what another program made
};
using OpenConnection = std::function<base::Result<std::unique_ptr<Connection>>(ConnectionRole)>;

// The Database over such connections.
base::Result<std::unique_ptr<Database>> MakeDatabase(std::string_view kind,
                                                     const OpenConnection& open,
                                                     const DatabaseSettings& settings,
                                                     base::Metrics& metrics);

// The Database that only reads, over one connection.
base::Result<std::unique_ptr<Database>> MakeForeignDatabase(std::string_view kind,
                                                            std::unique_ptr<Connection> connection,
                                                            base::Metrics& metrics);

// "what: SQL text" for error messages.
std::string DescribeSqlError(std::string_view what, std::string_view sql);

}  // namespace slipway::storage
