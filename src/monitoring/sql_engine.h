// SPDX-License-Identifier: Apache-2.0
// SqlEngine: one read-only SELECT over files, with limits of time, memory and rows. DuckDB, in this
// process, shut off from everything but the folders it is given.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/status.h"

namespace slipway::monitoring {

struct SqlLimits {
  int64_t timeout_ms = 10'000;
  int64_t memory_mb = 512;
  int64_t threads = 2;
};

struct SqlAnswer {
  struct Column {
    std::string name;
    std::string type;  // "BIGINT", "VARCHAR" ...
  };
  std::vector<Column> columns;
  std::vector<std::vector<base::Json>> rows;
  bool truncated = false;  // there were more rows than were asked for
};

// Thread-safe; one query at a time, others wait as long as one may take.
class SqlEngine {
 public:
  // `folders`: what may be read. kFailedPrecondition (duckdb_missing).
  static base::Result<std::unique_ptr<SqlEngine>> Open(const std::vector<std::string>& folders,
                                                       const SqlLimits& limits);
  virtual ~SqlEngine() = default;
  // `views`: our own statements, run first on the query's connection. kInvalidArgument (field
  // "query"): not one SELECT, or what the engine says of it. kDeadlineExceeded (sql_timeout),
  // kResourceExhausted (sql_memory, sql_busy, sql_answer_too_large).
  virtual base::Result<SqlAnswer> Query(const std::vector<std::string>& views,
                                        const std::string& query, int64_t max_rows) = 0;
};

}  // namespace slipway::monitoring
