// SPDX-License-Identifier: Apache-2.0
// Part of `slipway drift`: a CSV file as a table.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

#include "cli/table_source.h"

namespace slipway::cli {
namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

// pandas.read_csv's list.
constexpr std::array<std::string_view, 18> kMissingWords = {
    "",     "#N/A", "#N/A N/A", "#NA",  "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND",
    "<NA>", "N/A",  "NA",       "NULL", "NaN",     "None",     "n/a",  "nan",  "null"};

bool IsMissing(std::string_view cell) {
  return cell.size() <= 9 &&
         std::find(kMissingWords.begin(), kMissingWords.end(), cell) != kMissingWords.end();
}

// Rows of cells; a quoted cell may hold commas, line ends and doubled quotes.
class CsvCells {
 public:
  explicit CsvCells(std::string_view text) : text_(text) {}
  [[nodiscard]] bool AtEnd() const { return at_ >= text_.size(); }
  // False: a quote that never ends.
  bool NextRow(std::vector<std::string>& row);

 private:
  bool Quoted(std::string& cell);

  std::string_view text_;
  size_t at_ = 0;
};

bool CsvCells::Quoted(std::string& cell) {
  for (++at_; at_ < text_.size(); ++at_) {
    if (text_[at_] != '"') {
      cell += text_[at_];
    } else if (at_ + 1 < text_.size() && text_[at_ + 1] == '"') {
      cell += text_[at_++];
    } else {
      ++at_;
      return true;
    }
  }
  return false;
}

bool CsvCells::NextRow(std::vector<std::string>& row) {
  row.assign(1, "");
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (c == '"' && row.back().empty()) {
      if (!Quoted(row.back())) return false;
      continue;
    }
    ++at_;
    if (c == '\n') return true;
    if (c == ',') {
      row.emplace_back();
    } else if (c != '\r' || (at_ < text_.size() && text_[at_] != '\n')) {
      row.back() += c;
    }
  }
  return true;
}

bool IsInteger(std::string_view cell) {
  int64_t value = 0;
  const auto end = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  return end.ec == std::errc() && end.ptr == cell.data() + cell.size();
}

std::optional<double> NumberOf(std::string_view cell) {
  while (!cell.empty() && (cell.front() == ' ' || cell.front() == '+')) cell.remove_prefix(1);
  while (!cell.empty() && cell.back() == ' ') cell.remove_suffix(1);
  double value = 0;
  const auto end = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (end.ptr != cell.data() + cell.size() || cell.empty()) return std::nullopt;
  if (end.ec == std::errc::result_out_of_range) return std::nullopt;
  return end.ec == std::errc() ? std::optional(value) : std::nullopt;
}

struct CsvColumn {
  TableColumn about;
  ColumnValues values;
};

CsvColumn TypedColumn(std::string name, std::vector<std::string> cells) {
  CsvColumn column{{std::move(name), "int64"}, {}};
  std::vector<double> numbers;
  numbers.reserve(cells.size());
  for (const std::string& cell : cells) {
    if (IsMissing(cell)) {
      column.values.has_missing = true;
      numbers.push_back(kMissing);
      continue;
    }
    const std::optional<double> number = NumberOf(cell);
    if (!number) break;
    numbers.push_back(*number);
    if (!IsInteger(cell)) column.about.type = "double";
  }
  if (numbers.size() == cells.size()) {
    column.values.values = std::move(numbers);
    return column;
  }
  column.about.type = "string";
  for (std::string& cell : cells) {
    if (!IsMissing(cell)) continue;
    cell.clear();
    column.values.has_missing = true;
  }
  column.values.values = std::move(cells);
  return column;
}

class CsvTable final : public TableSource {
 public:
  CsvTable(std::shared_ptr<const std::vector<CsvColumn>> data, int64_t rows)
      : data_(std::move(data)), rows_(rows) {
    for (const CsvColumn& column : *data_) columns_.push_back(column.about);
  }
  [[nodiscard]] const std::vector<TableColumn>& columns() const override { return columns_; }
  [[nodiscard]] int64_t rows() const override { return rows_; }
  base::Result<ColumnValues> Read(size_t column) override { return (*data_)[column].values; }
  [[nodiscard]] base::Result<std::unique_ptr<TableSource>> Another() const override {
    return std::unique_ptr<TableSource>(std::make_unique<CsvTable>(data_, rows_));
  }

 private:
  const std::shared_ptr<const std::vector<CsvColumn>> data_;
  std::vector<TableColumn> columns_;
  const int64_t rows_;
};

base::Status BadRow(const std::string& path, size_t row, const std::string& what) {
  return base::InvalidArgument("csv", path + ", row " + std::to_string(row) + ": " + what);
}

}  // namespace

base::Result<std::unique_ptr<TableSource>> ParseCsv(std::string text, const std::string& path) {
  std::string_view rest = text;
  if (rest.starts_with("\xEF\xBB\xBF")) rest.remove_prefix(3);
  CsvCells cells(rest);
  std::vector<std::string> header;
  if (cells.AtEnd()) return BadRow(path, 1, "expected a header line, the file is empty");
  if (!cells.NextRow(header)) return BadRow(path, 1, "a quote that does not end");
  if (header.size() > kMostTableColumns)
    return BadRow(path, 1, "more than " + std::to_string(kMostTableColumns) + " columns");
  std::vector<std::vector<std::string>> columns(header.size());
  std::vector<std::string> row;
  size_t number = 1;
  while (!cells.AtEnd()) {
    ++number;
    if (!cells.NextRow(row)) return BadRow(path, number, "a quote that does not end");
    if (row.size() == 1 && row[0].empty() && header.size() > 1) continue;
    if (row.size() != header.size()) {
      return BadRow(path, number,
                    "expected " + std::to_string(header.size()) + " cells, got " +
                        std::to_string(row.size()));
    }
    for (size_t i = 0; i < row.size(); ++i) columns[i].push_back(std::move(row[i]));
  }
  const auto rows = static_cast<int64_t>(columns[0].size());
  auto data = std::make_shared<std::vector<CsvColumn>>();
  for (size_t i = 0; i < header.size(); ++i)
    data->push_back(TypedColumn(std::move(header[i]), std::move(columns[i])));
  return std::unique_ptr<TableSource>(std::make_unique<CsvTable>(std::move(data), rows));
}

}  // namespace slipway::cli
