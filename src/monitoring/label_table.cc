// SPDX-License-Identifier: Apache-2.0
// First step of a label's walk when labels come as a table.
#include "monitoring/label_table.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

#include "base/json.h"
#include "monitoring/prediction_log.h"
#include "storage/parquet.h"

namespace slipway::monitoring {
namespace {

using storage::ParquetType;
using storage::ParquetValues;

constexpr std::string_view kKnown[] = {"prediction_id", "request_id", "row",
                                       "key",           "value",      "time"};

// One row's cells by column name; missing and empty ones are not there.
using Cells = std::vector<std::pair<std::string, LabelValue>>;

std::string Place(int64_t row, std::string_view column) {
  return "row " + std::to_string(row) + ", column " + std::string(column);
}

base::Status CheckHeader(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (std::find(std::begin(kKnown), std::end(kKnown), name) == std::end(kKnown))
      return base::InvalidArgument(name, "unknown column '" + name +
                                             "'; expected prediction_id, request_id, row, key, "
                                             "value, time");
    if (std::count(names.begin(), names.end(), name) > 1)
      return base::InvalidArgument(name, "column '" + name + "' is there twice");
  }
  const auto has = [&](const char* name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  if (!has("value")) return base::InvalidArgument("value", "there is no column 'value'");
  if (!has("prediction_id") && !has("request_id") && !has("key"))
    return base::InvalidArgument("prediction_id",
                                 "expected a column prediction_id, request_id or key");
  if (has("key") && !has("time"))
    return base::InvalidArgument("time", "labels by key need a column 'time'");
  return base::Status::Ok();
}

LabelValue ValueOfText(std::string_view text) {
  if (text == "true" || text == "True") return true;
  if (text == "false" || text == "False") return false;
  double number = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), number);
  if (end.ec == std::errc() && end.ptr == text.data() + text.size()) return number;
  return std::string(text);
}

std::string TextOf(const LabelValue& cell) {
  const std::string* text = std::get_if<std::string>(&cell);
  return text != nullptr ? *text : ToJson(cell).Dump();
}

base::Status SetCell(LabelInput& label, const std::string& name, const LabelValue& cell) {
  if (name == "value") {
    const double* number = std::get_if<double>(&cell);
    if (number != nullptr && !std::isfinite(*number))
      return base::InvalidArgument(name, "expected a finite number");
    if (TextOf(cell).size() > kMaxLabelText)
      return base::InvalidArgument(name, "a label's text has at most 1024 bytes");
    label.value = cell;
  } else if (name == "row") {
    const double* number = std::get_if<double>(&cell);
    if (number == nullptr || *number < 0 || *number != std::floor(*number) || *number > 1e15)
      return base::InvalidArgument(name, "expected a whole number of 0 or more");
    label.row = static_cast<int64_t>(*number);
  } else if (name == "time") {
    const auto time = base::ParseTime(TextOf(cell));
    if (!time.ok())
      return base::InvalidArgument(name, "expected a time (RFC 3339), got '" + TextOf(cell) + "'");
    label.time = *time;
  } else if (name == "prediction_id") {
    label.prediction_id = TextOf(cell);
    const auto id = ParsePredictionId(label.prediction_id);
    if (!id.ok()) return base::InvalidArgument(name, id.status().message());
  } else {
    (name == "key" ? label.key : label.request_id) = TextOf(cell);
  }
  return base::Status::Ok();
}

LabelRow ReadRow(int64_t number, const Cells& cells, base::Micros now) {
  LabelRow row;
  row.number = number;
  row.label.time = now;
  bool has_value = false;
  for (const auto& [name, cell] : cells) {
    has_value = has_value || name == "value";
    const base::Status set = SetCell(row.label, name, cell);
    if (!set.ok()) {
      row.status = base::InvalidArgument(Place(number, name), set.message());
      return row;
    }
  }
  const int names = (row.label.prediction_id.empty() ? 0 : 1) +
                    (row.label.request_id.empty() ? 0 : 1) + (row.label.key.empty() ? 0 : 1);
  if (!has_value) {
    row.status = base::InvalidArgument(Place(number, "value"), "missing: expected the true label");
  } else if (names != 1) {
    row.status = base::InvalidArgument(Place(number, "prediction_id"),
                                       "expected one of prediction_id, request_id and key");
  }
  return row;
}

// The next record of a CSV text, quotes undone; nullopt at its end.
class CsvReader {
 public:
  explicit CsvReader(std::string_view text) : rest_(text) {
    if (rest_.starts_with("\xEF\xBB\xBF")) rest_.remove_prefix(3);
  }
  std::optional<std::vector<std::string>> Next() {
    while (rest_.starts_with('\n') || rest_.starts_with('\r')) rest_.remove_prefix(1);
    if (rest_.empty()) return std::nullopt;
    std::vector<std::string> cells(1);
    quoted_ = false;
    while (!rest_.empty() && Take(cells)) {
    }
    return cells;
  }

 private:
  // One character; false behind the record's last one.
  bool Take(std::vector<std::string>& cells) {
    const char c = rest_[0];
    rest_.remove_prefix(1);
    if (c == '"') {
      if (quoted_ && rest_.starts_with('"')) {
        cells.back() += '"';
        rest_.remove_prefix(1);
      } else {
        quoted_ = !quoted_;
      }
    } else if (quoted_) {
      cells.back() += c;
    } else if (c == ',') {
      cells.emplace_back();
    } else if (c == '\n') {
      return false;
    } else if (c != '\r') {
      cells.back() += c;
    }
    return true;
  }

  std::string_view rest_;
  bool quoted_ = false;
};

base::Status TooMany() {
  return base::InvalidArgument("labels",
                               "at most " + std::to_string(kMaxLabelsInBatch) + " in one call");
}

// A cell of a Parquet column; nullopt when it is missing.
std::optional<LabelValue> CellAt(const ParquetValues& column, size_t row) {
  if (!column.IsPresent(row)) return std::nullopt;
  switch (column.type) {
    case ParquetType::kBool:
      return LabelValue(column.bools[row] != 0);
    case ParquetType::kInt:
      return LabelValue(static_cast<double>(column.ints[row]));
    case ParquetType::kTime:
      return LabelValue(base::FormatTime(column.ints[row]));
    case ParquetType::kFloat:
      return LabelValue(static_cast<double>(column.floats[row]));
    case ParquetType::kDouble:
      return LabelValue(column.doubles[row]);
    default:
      if (column.texts[row].empty()) return std::nullopt;
      return LabelValue(std::string(column.texts[row]));
  }
}

// Ids and keys that are whole numbers print as such.
LabelValue AsNamed(const std::string& name, LabelValue cell) {
  if (name == "value" || name == "row") return cell;
  return TextOf(cell);
}

}  // namespace

base::Result<std::vector<LabelRow>> ReadLabelCsv(std::string_view text, base::Micros now) {
  CsvReader csv(text);
  const auto header = csv.Next();
  if (!header) return base::InvalidArgument("labels", "expected a header line");
  TRY(CheckHeader(*header));
  std::vector<LabelRow> rows;
  for (int64_t number = 1;; ++number) {
    const auto cells = csv.Next();
    if (!cells) break;
    if (rows.size() == kMaxLabelsInBatch) return TooMany();
    if (cells->size() != header->size()) {
      rows.push_back({number,
                      {},
                      base::InvalidArgument("row " + std::to_string(number),
                                            "expected " + std::to_string(header->size()) +
                                                " cells, got " + std::to_string(cells->size()))});
      continue;
    }
    Cells named;
    for (size_t i = 0; i < cells->size(); ++i) {
      if ((*cells)[i].empty()) continue;
      const bool typed = (*header)[i] == "value" || (*header)[i] == "row";
      named.emplace_back((*header)[i], typed ? ValueOfText((*cells)[i]) : LabelValue((*cells)[i]));
    }
    rows.push_back(ReadRow(number, named, now));
  }
  return rows;
}

base::Result<std::vector<LabelRow>> ReadLabelParquet(const std::string& path, base::Micros now) {
  const auto file = TRY(storage::OpenParquet(path));
  std::vector<std::string> names;
  std::vector<int> columns;
  for (const storage::ParquetColumn& column : file->columns()) {
    columns.push_back(static_cast<int>(names.size()));
    names.push_back(column.name);
  }
  TRY(CheckHeader(names));
  if (file->rows() > static_cast<int64_t>(kMaxLabelsInBatch)) return TooMany();
  std::vector<LabelRow> rows;
  for (int group = 0; group < file->groups(); ++group) {
    const storage::ParquetBatch batch = TRY(file->Read(group, columns));
    for (size_t row = 0; row < static_cast<size_t>(batch.rows); ++row) {
      Cells named;
      for (size_t i = 0; i < names.size(); ++i) {
        auto cell = CellAt(batch.columns[i], row);
        if (cell) named.emplace_back(names[i], AsNamed(names[i], *std::move(cell)));
      }
      rows.push_back(ReadRow(static_cast<int64_t>(rows.size()) + 1, named, now));
    }
  }
  return rows;
}

}  // namespace slipway::monitoring
