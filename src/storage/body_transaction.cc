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
namespace {

// "tracking" of "INSERT INTO tracking_runs ..."; empty when it cannot be told.
std::string_view RoomChangedBy(std::string_view sql) {
  for (const std::string_view start : {"INSERT INTO ", "UPDATE ", "DELETE FROM "}) {
    if (!sql.starts_with(start)) continue;
    const std::string_view table = sql.substr(start.size());
    const size_t end = table.find_first_not_of("abcdefghijklmnopqrstuvwxyz");
    const bool named = end != std::string_view::npos && end > 0 && table[end] == '_';
    return named ? table.substr(0, end) : std::string_view();
  }
  return {};
}

}  // namespace

base::Result<const SqlParams*> BodyTransaction::Prepare(const SqlParams& params,
                                                        SqlParams& changed) {
  const SqlParams* prepared = &params;
  for (size_t i = 0; i < params.size(); ++i) {
    if (const auto* text = std::get_if<std::string>(&params[i]);
        text != nullptr && text->find('\0') != std::string::npos) {
      return base::InvalidArgument("$" + std::to_string(i + 1),
                                   "a text with a NUL character cannot be stored");
    }
    if (const auto* number = std::get_if<double>(&params[i]);
        number != nullptr && std::isnan(*number)) {
      if (prepared == &params) changed = params;
      prepared = &changed;
      changed[i] = std::monostate{};
    }
  }
  return prepared;
}

void BodyTransaction::NoteChange(std::string_view sql) {
  const std::string_view room = RoomChangedBy(sql);
  if (!changed_rooms_.contains(room)) changed_rooms_.emplace(room);
}

base::Result<Rows> BodyTransaction::Query(std::string_view sql, const SqlParams& params) {
  if (!failure_.ok()) return failure_;
  if (!sql.starts_with("SELECT ")) NoteChange(sql);
  SqlParams changed;
  auto prepared = Prepare(params, changed);
  if (!prepared.ok()) return failure_ = prepared.status();
  auto rows = connection_.Query(sql, **prepared);
  if (!rows.ok()) failure_ = rows.status();
  return rows;
}

base::Result<int64_t> BodyTransaction::Execute(std::string_view sql, const SqlParams& params) {
  if (!failure_.ok()) return failure_;
  NoteChange(sql);
  SqlParams changed;
  auto prepared = Prepare(params, changed);
  if (!prepared.ok()) return failure_ = prepared.status();
  auto count = connection_.Execute(sql, **prepared);
  if (!count.ok()) failure_ = count.status();
  return count;
}

}  // namespace slipway::storage
