// SPDX-License-Identifier: Apache-2.0
// Text becomes columns: scoring requests and holdouts come this way.
#include "inference/csv.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>

#include "inference/json_tensors.h"

namespace slipway::inference {
namespace {

using base::InvalidArgument;
using base::Status;

struct Cell {
  std::string text;
  bool quoted = false;
};
using Row = std::vector<Cell>;

// Splits text into rows of cells. A quoted cell may hold commas, line ends and doubled quotes.
class CsvReader {
 public:
  explicit CsvReader(std::string_view text) : text_(text) {
    if (text_.starts_with("\xEF\xBB\xBF")) text_.remove_prefix(3);
  }

  base::Result<std::vector<Row>> Read() {
    std::vector<Row> rows;
    while (place_ < text_.size()) {
      Row row = TRY(ReadRow(rows.size()));
      const bool blank = row.size() == 1 && row[0].text.empty() && !row[0].quoted;
      if (!blank) rows.push_back(std::move(row));
    }
    return rows;
  }

 private:
  base::Result<Row> ReadRow(size_t number) {
    Row row;
    while (true) {
      if (row.size() == kMaxJsonColumns) {
        return InvalidArgument("csv", "line " + std::to_string(number + 1) + " has more than " +
                                          std::to_string(kMaxJsonColumns) + " cells");
      }
      Cell cell;
      if (place_ < text_.size() && text_[place_] == '"') {
        cell.quoted = true;
        TRY(ReadQuoted(cell.text, number));
      } else {
        const size_t end = std::min(text_.find_first_of(",\r\n", place_), text_.size());
        cell.text = text_.substr(place_, end - place_);
        place_ = end;
      }
      row.push_back(std::move(cell));
      if (place_ >= text_.size()) return row;
      const char separator = text_[place_++];
      if (separator == ',') continue;
      if (separator == '\r' && place_ < text_.size() && text_[place_] == '\n') ++place_;
      return row;
    }
  }

  Status ReadQuoted(std::string& out, size_t number) {
    const std::string where = "row " + std::to_string(number) + ": ";
    for (++place_; place_ < text_.size(); ++place_) {
      if (text_[place_] != '"') {
        out += text_[place_];
      } else if (place_ + 1 < text_.size() && text_[place_ + 1] == '"') {
        out += text_[++place_];
      } else {
        ++place_;
        const bool ends = place_ == text_.size() || text_[place_] == ',' || text_[place_] == '\r' ||
                          text_[place_] == '\n';
        if (ends) return Status::Ok();
        return InvalidArgument("csv", where + "text after a closing quote");
      }
    }
    return InvalidArgument("csv", where + "a quote is not closed");
  }

  std::string_view text_;
  size_t place_ = 0;
};

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// What pandas.read_csv takes for a missing value.
bool IsMissing(std::string_view text) {
  constexpr std::string_view kWords[] = {"",     "NA",   "N/A",  "n/a",  "#N/A", "NaN", "nan",
                                         "-NaN", "-nan", "NULL", "null", "None", "<NA>"};
  return std::find(std::begin(kWords), std::end(kWords), text) != std::end(kWords);
}

template <typename T>
bool Parse(std::string_view text, T& out) {
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

bool ParseNumber(std::string_view text, double& out) {
  if (text == "True" || text == "true") {
    out = 1;
  } else if (text == "False" || text == "false") {
    out = 0;
  } else {
    return Parse(text, out);
  }
  return true;
}

Column TextColumn(const std::string& name, std::vector<Row>& rows, size_t place) {
  std::vector<std::string> values;
  values.reserve(rows.size() - 1);
  for (size_t r = 1; r < rows.size(); ++r) values.push_back(std::move(rows[r][place].text));
  return {name, std::move(values)};
}

bool HoldsNumbers(const std::vector<Row>& rows, size_t place) {
  double value = 0;
  return std::all_of(rows.begin() + 1, rows.end(), [&](const Row& row) {
    const std::string_view text = Trim(row[place].text);
    return !row[place].quoted && (IsMissing(text) || ParseNumber(text, value));
  });
}

base::Result<Column> NumberColumn(const std::string& name, const std::vector<Row>& rows,
                                  size_t place) {
  std::vector<int64_t> integers;
  bool whole = true;
  for (size_t r = 1; r < rows.size() && whole; ++r) {
    int64_t value = 0;
    whole = Parse(Trim(rows[r][place].text), value);
    integers.push_back(value);
  }
  if (whole) return Column{name, std::move(integers)};
  std::vector<double> values;
  values.reserve(rows.size() - 1);
  for (size_t r = 1; r < rows.size(); ++r) {
    const std::string_view text = Trim(rows[r][place].text);
    double value = std::numeric_limits<double>::quiet_NaN();
    if (!IsMissing(text) && !ParseNumber(text, value)) {
      return InvalidArgument(name,
                             "row " + std::to_string(r - 1) + ": expected a number, got '" +
                                 std::string(text.substr(0, 40)) + "'",
                             "bad_cell");
    }
    values.push_back(value);
  }
  return Column{name, std::move(values)};
}

}  // namespace

bool CsvBeginsWithNumbers(std::string_view csv) {
  const std::string_view line = csv.substr(0, csv.find_first_of("\r\n"));
  if (line.empty()) return false;
  for (size_t begin = 0; begin <= line.size();) {
    const size_t end = std::min(line.find(',', begin), line.size());
    const std::string_view cell = Trim(line.substr(begin, end - begin));
    double value = 0;
    if (!IsMissing(cell) && !Parse(cell, value)) return false;
    begin = end + 1;
  }
  return true;
}

base::Result<std::vector<Column>> ColumnsFromCsv(std::string_view csv, const CsvKinds& kinds,
                                                 const CsvNames& names) {
  std::vector<Row> rows = TRY(CsvReader(csv).Read());
  if (names && !rows.empty()) {
    Row line;
    for (std::string& name : names(rows[0].size())) line.push_back({std::move(name), true});
    rows.insert(rows.begin(), std::move(line));
  }
  if (rows.size() < 2)
    return InvalidArgument("csv", "expected a line of column names and at least one row");
  const size_t width = rows[0].size();
  for (size_t r = 1; r < rows.size(); ++r) {
    if (rows[r].size() != width) {
      return InvalidArgument("csv", "row " + std::to_string(r - 1) + " has " +
                                        std::to_string(rows[r].size()) + " cells, expected " +
                                        std::to_string(width));
    }
  }
  std::vector<Column> columns;
  for (size_t c = 0; c < width; ++c) {
    const std::string name(rows[0][c].quoted ? std::string_view(rows[0][c].text)
                                             : Trim(rows[0][c].text));
    const CsvKind kind = kinds(name);
    const bool text =
        kind == CsvKind::kText || (kind == CsvKind::kAsItLooks && !HoldsNumbers(rows, c));
    columns.push_back(text ? TextColumn(name, rows, c) : TRY(NumberColumn(name, rows, c)));
  }
  return columns;
}

}  // namespace slipway::inference
