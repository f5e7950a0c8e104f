// SPDX-License-Identifier: Apache-2.0
// An SQL query's walk: the logs as tables, then the engine.
#include <utility>

#include "monitoring/monitor_state.h"
#include "monitoring/sql_tables.h"

namespace slipway::monitoring {

void DescribeSql(base::Schema& schema, MonitorSettings& settings) {
  schema.Add("monitoring.sql_timeout", &settings.sql_timeout,
             "Time after which an SQL query over the logs is ended.",
             base::Duration{base::kSecond / 10}, base::Duration{base::kHour});
  schema.Add("monitoring.sql_memory_mb", &settings.sql_memory_mb,
             "Memory in MiB that an SQL query over the logs may use.", 64, 1'000'000);
  schema.Add("monitoring.sql_threads", &settings.sql_threads,
             "Threads that an SQL query over the logs may use.", 1, 256);
}

base::Result<SqlAnswer> Monitor::Query(const std::string& query, int64_t max_rows) {
  State& state = *state_;
  if (max_rows < 1 || max_rows > kMaxSqlRows)
    return base::InvalidArgument("limit", "expected 1 to " + std::to_string(kMaxSqlRows));
  Flush();
  {
    const std::lock_guard lock(state.sql_mutex);
    if (state.sql == nullptr) {
      state.sql_tables = TRY(
          SqlTables::Open(state.log->store(), *state.label_log, state.folder + "/predictions/sql"));
      state.sql = TRY(SqlEngine::Open(state.sql_tables->Folders(),
                                      {state.settings.sql_timeout.micros / 1000,
                                       state.settings.sql_memory_mb, state.settings.sql_threads}));
    }
  }
  return state.sql->Query(TRY(state.sql_tables->Views()), query, max_rows);
}

}  // namespace slipway::monitoring
