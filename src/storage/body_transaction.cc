// SPDX-License-Identifier: Apache-2.0
// Every statement of every room passes here on its way to SQLite or PostgreSQL.
#include "storage/body_transaction.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "base/status.h"
#include "storage/database.h"

namespace slipway::storage {

base::Result<SqlParams> BodyTransaction::Prepare(const SqlParams& params) {
  SqlParams prepared = params;
  for (size_t i = 0; i < prepared.size(); ++i) {
    if (const auto* text = std::get_if<std::string>(&prepared[i]);
        text != nullptr && text->find('\0') != std::string::npos) {
      return base::InvalidArgument("$" + std::to_string(i + 1),
                                   "a text with a NUL character cannot be stored");
    }
    if (const auto* number = std::get_if<double>(&prepared[i]);
        number != nullptr && std::isnan(*number)) {
      prepared[i] = std::monostate{};
    }
  }
  return prepared;
}

base::Result<Rows> BodyTransaction::Query(std::string_view sql, const SqlParams& params) {
  if (!failure_.ok()) return failure_;
  auto prepared = Prepare(params);
  if (!prepared.ok()) return failure_ = prepared.status();
  auto rows = connection_.Query(sql, *prepared);
  if (!rows.ok()) failure_ = rows.status();
  return rows;
}

base::Result<int64_t> BodyTransaction::Execute(std::string_view sql, const SqlParams& params) {
  if (!failure_.ok()) return failure_;
  auto prepared = Prepare(params);
  if (!prepared.ok()) return failure_ = prepared.status();
  auto changed = connection_.Execute(sql, *prepared);
  if (!changed.ok()) failure_ = changed.status();
  return changed;
}

}  // namespace slipway::storage
