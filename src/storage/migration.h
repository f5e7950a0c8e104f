// SPDX-License-Identifier: Apache-2.0
// Migration: one numbered .sql file of a room, embedded in the binary. One text serves SQLite and
// PostgreSQL.
#pragma once

#include <string_view>

namespace slipway::storage {

struct Migration {
  std::string_view room;
  int number = 0;
  std::string_view name;
  std::string_view sql;  // statements separated by ';'
};

}  // namespace slipway::storage
