// SPDX-License-Identifier: Apache-2.0
// Part of `slipway drift`: which kind of table a file is; .npz and Parquet.
#include "cli/table_source.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/files.h"
#include "inference/npz.h"
#include "storage/parquet.h"

namespace slipway::cli {
namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

std::string TypeOfTensor(inference::DataType type) {
  using inference::DataType;
  switch (type) {
    case DataType::kString:
      return "string";
    case DataType::kBool:
      return "bool";
    case DataType::kFp32:
    case DataType::kFp16:
    case DataType::kBf16:
      return "float";
    case DataType::kFp64:
      return "double";
    default:
      return "int64";
  }
}

// Each array [rows] or [rows, 1] is a column.
class NpzTable final : public TableSource {
 public:
  explicit NpzTable(std::shared_ptr<const std::vector<inference::NamedTensor>> arrays)
      : arrays_(std::move(arrays)) {
    for (const inference::NamedTensor& array : *arrays_)
      columns_.push_back({array.name, TypeOfTensor(array.tensor.type())});
  }
  [[nodiscard]] const std::vector<TableColumn>& columns() const override { return columns_; }
  [[nodiscard]] int64_t rows() const override {
    return arrays_->empty() ? 0 : (*arrays_)[0].tensor.element_count();
  }
  base::Result<ColumnValues> Read(size_t column) override {
    const inference::Tensor& tensor = (*arrays_)[column].tensor;
    ColumnValues read;
    if (columns_[column].type == "string") {
      read.values = tensor.strings();
      return read;
    }
    std::vector<double> numbers;
    for (int64_t i = 0; i < tensor.element_count(); ++i) {
      numbers.push_back(tensor.NumberAt(i));
      read.has_missing = read.has_missing || std::isnan(numbers.back());
    }
    read.values = std::move(numbers);
    return read;
  }
  [[nodiscard]] base::Result<std::unique_ptr<TableSource>> Another() const override {
    return std::unique_ptr<TableSource>(std::make_unique<NpzTable>(arrays_));
  }

 private:
  const std::shared_ptr<const std::vector<inference::NamedTensor>> arrays_;
  std::vector<TableColumn> columns_;
};

base::Result<std::unique_ptr<TableSource>> OpenNpz(const std::string& path) {
  const std::string bytes = TRY(base::ReadFile(path, kMostTableBytes));
  auto arrays =
      std::make_shared<const std::vector<inference::NamedTensor>>(TRY(inference::ReadNpz(bytes)));
  for (const inference::NamedTensor& array : *arrays) {
    if (array.tensor.element_count() != arrays->front().tensor.element_count() ||
        array.tensor.rows() != array.tensor.element_count()) {
      return base::InvalidArgument(array.name, "expected arrays of one length and one dimension");
    }
  }
  return std::unique_ptr<TableSource>(std::make_unique<NpzTable>(std::move(arrays)));
}

std::string TypeOfParquet(storage::ParquetType type) {
  using storage::ParquetType;
  switch (type) {
    case ParquetType::kBool:
      return "bool";
    case ParquetType::kInt:
      return "int64";
    case ParquetType::kFloat:
      return "float";
    case ParquetType::kDouble:
      return "double";
    case ParquetType::kTime:
      return "time";
    default:
      return "string";
  }
}

// Appends one row group's values; returns whether any is missing.
template <typename From, typename To>
bool Append(std::span<const From> from, std::span<const uint8_t> present, std::vector<To>& to) {
  const size_t begin = to.size();
  to.resize(begin + from.size());
  for (size_t i = 0; i < from.size(); ++i) to[begin + i] = static_cast<To>(from[i]);
  if constexpr (std::is_arithmetic_v<To>) {
    bool missing = false;
    for (size_t i = 0; i < present.size(); ++i) {
      if (present[i] != 0) continue;
      to[begin + i] = static_cast<To>(kMissing);
      missing = true;
    }
    return missing;
  } else {
    for (size_t i = 0; i < present.size(); ++i) {
      if (present[i] == 0) to[begin + i].clear();
    }
    return std::find(present.begin(), present.end(), 0) != present.end();
  }
}

class ParquetTable final : public TableSource {
 public:
  ParquetTable(std::string path, std::unique_ptr<storage::ParquetReader> reader)
      : path_(std::move(path)), reader_(std::move(reader)) {
    for (size_t i = 0; i < reader_->columns().size(); ++i) {
      const storage::ParquetColumn& column = reader_->columns()[i];
      if (column.type == storage::ParquetType::kOther) continue;
      columns_.push_back({column.name, TypeOfParquet(column.type)});
      places_.push_back(static_cast<int>(i));
    }
  }
  [[nodiscard]] const std::vector<TableColumn>& columns() const override { return columns_; }
  [[nodiscard]] int64_t rows() const override { return reader_->rows(); }
  base::Result<ColumnValues> Read(size_t column) override;
  [[nodiscard]] base::Result<std::unique_ptr<TableSource>> Another() const override {
    return std::unique_ptr<TableSource>(
        std::make_unique<ParquetTable>(path_, TRY(storage::OpenParquet(path_))));
  }

 private:
  static bool AppendGroup(const storage::ParquetValues& from, ColumnValues& to);

  const std::string path_;
  const std::unique_ptr<storage::ParquetReader> reader_;
  std::vector<TableColumn> columns_;
  std::vector<int> places_;  // index in the file
};

bool ParquetTable::AppendGroup(const storage::ParquetValues& from, ColumnValues& to) {
  using storage::ParquetType;
  if (auto* texts = std::get_if<std::vector<std::string>>(&to.values))
    return Append(from.texts, from.present, *texts);
  if (auto* floats = std::get_if<std::vector<float>>(&to.values))
    return Append(from.floats, from.present, *floats);
  auto& numbers = std::get<std::vector<double>>(to.values);
  if (from.type == ParquetType::kBool) return Append(from.bools, from.present, numbers);
  if (from.type == ParquetType::kDouble) return Append(from.doubles, from.present, numbers);
  return Append(from.ints, from.present, numbers);
}

base::Result<ColumnValues> ParquetTable::Read(size_t column) {
  ColumnValues read;
  const auto rows = static_cast<size_t>(reader_->rows());
  if (columns_[column].type == "string") {
    read.values.emplace<std::vector<std::string>>().reserve(rows);
  } else if (columns_[column].type == "float") {
    read.values.emplace<std::vector<float>>().reserve(rows);
  } else {
    read.values.emplace<std::vector<double>>().reserve(rows);
  }
  for (int group = 0; group < reader_->groups(); ++group) {
    const storage::ParquetBatch batch =
        TRY(reader_->Read(group, std::span<const int>(&places_[column], 1)));
    read.has_missing = AppendGroup(batch.columns[0], read) || read.has_missing;
  }
  return read;
}

}  // namespace

size_t ColumnValues::size() const {
  return std::visit([](const auto& all) { return all.size(); }, values);
}

std::optional<size_t> TableSource::Find(std::string_view name) const {
  for (size_t i = 0; i < columns().size(); ++i) {
    if (columns()[i].name == name) return i;
  }
  return std::nullopt;
}

base::Result<std::unique_ptr<TableSource>> OpenTable(const std::string& path,
                                                     std::string_view field) {
  if (path.ends_with(".csv")) return ParseCsv(TRY(base::ReadFile(path, kMostTableBytes)), path);
  if (path.ends_with(".npz")) return OpenNpz(path);
  if (path.ends_with(".parquet") || path.ends_with(".pq")) {
    return std::unique_ptr<TableSource>(
        std::make_unique<ParquetTable>(path, TRY(storage::OpenParquet(path))));
  }
  return base::InvalidArgument(std::string(field),
                               "expected a .parquet, .csv or .npz file, got '" + path + "'");
}

}  // namespace slipway::cli
