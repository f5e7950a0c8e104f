// SPDX-License-Identifier: Apache-2.0
// A version's walk, what it is measured on: holdouts, kept by name and number.
#include "lifecycle/holdouts.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "base/hash.h"

namespace slipway::lifecycle {
namespace {

constexpr int64_t kMostFileBytes = 1LL << 30;
constexpr std::string_view kSelect =
    "SELECT name, version, sha256, format, label, segments, size_rows, size_bytes, author, created "
    "FROM lifecycle_holdouts ";

std::string KeyOf(const Holdout& holdout) {
  return "holdouts/" + holdout.name + "/" + holdout.sha256;
}

base::Json SegmentsJson(const std::vector<std::string>& segments) {
  base::Json names = base::Json::MakeArray();
  for (const std::string& segment : segments) names.Append(segment);
  return names;
}

base::Result<Holdout> FromRow(const storage::Row& row) {
  Holdout holdout{row.Text(0), row.Int(1), row.Text(2), {row.Text(3), row.Text(4), {}},
                  row.Int(6),  row.Int(7), row.Text(8), row.Int(9)};
  const base::Json segments = TRY(base::Json::Parse(row.Text(5)));
  for (const base::Json& segment : segments.AsArray())
    holdout.shape.segments.push_back(segment.AsString());
  return holdout;
}

base::Status CheckName(const std::string& name) {
  const bool plain = !name.empty() && name.size() <= 100 && name.front() != '.' &&
                     std::ranges::all_of(name, [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
                     });
  if (plain) return {};
  return base::InvalidArgument("name", "expected 1 to 100 letters, digits, '-', '_' or '.'");
}

}  // namespace

base::Json ToJson(const Holdout& holdout) {
  return base::Json::MakeObject({{"name", holdout.name},
                                 {"version", holdout.version},
                                 {"sha256", holdout.sha256},
                                 {"format", holdout.shape.format},
                                 {"label", holdout.shape.label},
                                 {"segments", SegmentsJson(holdout.shape.segments)},
                                 {"rows", holdout.rows},
                                 {"size_bytes", holdout.size_bytes},
                                 {"actor", holdout.actor},
                                 {"created", base::FormatTime(holdout.created)}});
}

Holdouts::Holdouts(storage::Database& database, storage::Blobs& blobs, events::EventLog& events,
                   base::Clock& clock)
    : database_(database), blobs_(blobs), events_(events), clock_(clock) {}

base::Result<Holdout> Holdouts::Register(const std::string& name, std::string_view bytes,
                                         HoldoutShape shape, const events::Actor& actor) {
  TRY(CheckName(name));
  const HoldoutRows rows = TRY(ReadHoldout(bytes, shape));
  shape.format = rows.format;
  Holdout holdout{name,
                  0,
                  base::Sha256Hex(bytes),
                  shape,
                  static_cast<int64_t>(rows.labels.size()),
                  static_cast<int64_t>(bytes.size()),
                  actor.name,
                  clock_.Now()};
  TRY(blobs_.Put(KeyOf(holdout), bytes));
  const std::string segments = SegmentsJson(shape.segments).Dump();
  TRY(database_.Write([&](storage::Transaction& transaction) -> base::Status {
    int64_t newest = 0;
    for (const storage::Row& row : TRY(transaction.Query(
             std::string(kSelect) + "WHERE name = $1 ORDER BY version DESC", {name}))) {
      newest = std::max(newest, row.Int(1));
      const bool same = row.Text(2) == holdout.sha256 && row.Text(3) == shape.format &&
                        row.Text(4) == shape.label && row.Text(5) == segments;
      if (!same) continue;
      holdout = TRY(FromRow(row));
      return {};
    }
    holdout.version = newest + 1;
    TRY(transaction.Execute(
        "INSERT INTO lifecycle_holdouts (name, version, sha256, format, label, segments, "
        "size_rows, size_bytes, author, created) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        {name, holdout.version, holdout.sha256, shape.format, shape.label, segments, holdout.rows,
         holdout.size_bytes, holdout.actor, holdout.created}));
    events::Event event;
    event.type = "holdout.registered";
    event.subject = "holdout/" + name + "/version/" + std::to_string(holdout.version);
    event.actor = actor;
    event.data = ToJson(holdout);
    return events_.Append(transaction, std::move(event));
  }));
  return holdout;
}

base::Result<std::vector<Holdout>> Holdouts::List() {
  std::vector<Holdout> holdouts;
  for (const storage::Row& row :
       TRY(database_.Query(std::string(kSelect) + "ORDER BY name, version DESC")))
    holdouts.push_back(TRY(FromRow(row)));
  return holdouts;
}

base::Result<bool> Holdouts::Has(const std::string& name, const std::string& sha256) {
  const storage::Rows rows = TRY(database_.Query(
      "SELECT 1 FROM lifecycle_holdouts WHERE name = $1 AND sha256 = $2 LIMIT 1", {name, sha256}));
  return !rows.empty();
}

base::Result<Holdout> Holdouts::Find(const std::string& name) {
  const size_t at = name.rfind('@');
  std::string wanted = name;
  int64_t version = 0;
  if (at != std::string::npos) {
    const char* end = name.data() + name.size();
    const auto read = std::from_chars(name.data() + at + 1, end, version);
    if (read.ec != std::errc() || read.ptr != end || version < 1)
      return base::InvalidArgument("holdout", "expected NAME or NAME@NUMBER, got '" + name + "'");
    wanted.resize(at);
  }
  const storage::Rows rows = TRY(database_.Query(
      std::string(kSelect) + "WHERE name = $1 AND ($2 = 0 OR version = $2) ORDER BY version DESC "
                             "LIMIT 1",
      {wanted, version}));
  if (rows.empty())
    return base::NotFound("holdout_not_found", "there is no holdout '" + name +
                                                   "': `slipway holdouts add` registers one");
  return FromRow(rows.front());
}

base::Result<HoldoutRows> Holdouts::Load(const Holdout& holdout) {
  const std::string bytes = TRY(blobs_.Get(KeyOf(holdout), kMostFileBytes));
  if (base::Sha256Hex(bytes) != holdout.sha256)
    return base::Status(base::Code::kDataLoss, "file_differs",
                        "the file of holdout '" + holdout.name + "' is not what was registered");
  return ReadHoldout(bytes, holdout.shape);
}

}  // namespace slipway::lifecycle
