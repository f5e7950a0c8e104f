// SPDX-License-Identifier: Apache-2.0
// Whoever reads a table: built as a library of its own, libslipway_parquet.so. Reading is by row
// group and column, so that memory is that of the columns in hand.
#include "storage/parquet_module.h"

#include <arrow/array.h>
#include <arrow/array/concatenate.h>
#include <arrow/io/file.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <arrow/util/io_util.h>
#include <arrow/util/key_value_metadata.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <parquet/statistics.h>

#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "slipway_build_config.h"
#include "storage/parquet.h"
#include "storage/parquet_parts.h"

namespace slipway::storage {
namespace {

constexpr std::string_view kArrowPrefix = "ARROW:";  // Arrow's own entries in the footer

class ArrowParquetReader final : public ParquetReader {
 public:
  ArrowParquetReader(std::string path, std::unique_ptr<parquet::arrow::FileReader> file)
      : path_(std::move(path)),
        file_(std::move(file)),
        footer_(file_->parquet_reader()->metadata()) {
    for (const auto& field : file_->manifest().schema_fields) {
      const ParquetType type = field.is_leaf() ? TypeOf(*field.field->type()) : ParquetType::kOther;
      columns_.push_back({field.field->name(), type, field.field->type()->ToString()});
      leaves_.push_back(field.column_index);
    }
    const auto pairs = footer_->key_value_metadata();
    for (int64_t i = 0; pairs != nullptr && i < pairs->size(); ++i) {
      if (!pairs->key(i).starts_with(kArrowPrefix)) metadata_[pairs->key(i)] = pairs->value(i);
    }
  }

  const std::vector<ParquetColumn>& columns() const override { return columns_; }
  int64_t rows() const override { return footer_->num_rows(); }
  int groups() const override { return footer_->num_row_groups(); }
  int64_t RowsOf(int group) const override {
    return group < 0 || group >= groups() ? 0 : footer_->RowGroup(group)->num_rows();
  }
  const std::map<std::string, std::string>& metadata() const override { return metadata_; }
  base::Result<ParquetBatch> Read(int group, std::span<const int> chosen) override;
  std::optional<std::pair<int64_t, int64_t>> RangeOf(int group, int column) const override;

 private:
  base::Result<std::shared_ptr<arrow::Array>> ReadColumn(int group, int column) const;

  const std::string path_;
  const std::unique_ptr<parquet::arrow::FileReader> file_;
  const std::shared_ptr<parquet::FileMetaData> footer_;
  std::vector<ParquetColumn> columns_;
  std::vector<int> leaves_;  // by column: its place among Parquet's leaves; -1: nested
  std::map<std::string, std::string> metadata_;
};

base::Result<std::shared_ptr<arrow::Array>> ArrowParquetReader::ReadColumn(int group,
                                                                           int column) const {
  const auto at = static_cast<size_t>(column);
  const std::string doing = "read column " + columns_[at].name + " of " + path_;
  std::shared_ptr<arrow::ChunkedArray> chunks;
  const arrow::Status read = file_->RowGroup(group)->Column(leaves_[at])->Read(&chunks);
  if (!read.ok()) return StatusOfArrow(read, doing);
  if (chunks->num_chunks() == 1) return chunks->chunk(0);
  const auto joined = chunks->num_chunks() == 0 ? arrow::MakeEmptyArray(chunks->type())
                                                : arrow::Concatenate(chunks->chunks());
  if (!joined.ok()) return StatusOfArrow(joined.status(), doing);
  return *joined;
}

base::Result<ParquetBatch> ArrowParquetReader::Read(int group, std::span<const int> chosen) {
  if (group < 0 || group >= groups())
    return base::InvalidArgument("group",
                                 path_ + " has " + std::to_string(groups()) + " row groups");
  ParquetBatch batch;
  batch.rows = RowsOf(group);
  for (const int column : chosen) {
    if (column < 0 || static_cast<size_t>(column) >= columns_.size())
      return base::InvalidArgument("columns",
                                   path_ + " has " + std::to_string(columns_.size()) + " columns");
    const ParquetColumn& known = columns_[static_cast<size_t>(column)];
    if (known.type == ParquetType::kOther) {
      return base::InvalidArgument(known.name,
                                   "column " + known.name + " of " + path_ + " is of type " +
                                       known.stored +
                                       "; expected numbers, booleans, texts or times",
                                   "nested_column");
    }
    try {
      const auto array = TRY(ReadColumn(group, column));
      if (array->length() != batch.rows)
        return BadParquet("read " + path_, "column " + known.name + " has not one value a row");
      batch.columns.push_back(TRY(ValuesOf(array, known.name, batch.keep)));
    } catch (const std::exception& error) {
      return BadParquet("read column " + known.name + " of " + path_, error.what());
    }
  }
  return batch;
}

std::optional<std::pair<int64_t, int64_t>> ArrowParquetReader::RangeOf(int group,
                                                                       int column) const {
  if (group < 0 || group >= groups() || column < 0 ||
      static_cast<size_t>(column) >= columns_.size() || leaves_[static_cast<size_t>(column)] < 0)
    return std::nullopt;
  try {
    const auto chunk = footer_->RowGroup(group)->ColumnChunk(leaves_[static_cast<size_t>(column)]);
    const auto statistics = chunk->statistics();
    if (statistics == nullptr || !statistics->HasMinMax() ||
        statistics->physical_type() != parquet::Type::INT64)
      return std::nullopt;
    const auto& typed = static_cast<const parquet::Int64Statistics&>(*statistics);
    return std::pair{typed.min(), typed.max()};
  } catch (const std::exception&) {
    return std::nullopt;  // without them everything is read
  }
}

base::Result<std::unique_ptr<ParquetReader>> Open(const std::string& path) {
  const std::string doing = "open " + path;
  const auto bytes = arrow::io::ReadableFile::Open(path);
  if (!bytes.ok()) return StatusOfArrow(bytes.status(), doing);
  try {
    parquet::arrow::FileReaderBuilder builder;
    const arrow::Status opened = builder.Open(*bytes);
    if (!opened.ok()) return StatusOfArrow(opened, doing);
    auto file = builder.Build();
    if (!file.ok()) return StatusOfArrow(file.status(), doing);
    return std::unique_ptr<ParquetReader>(
        std::make_unique<ArrowParquetReader>(path, std::move(file).ValueUnsafe()));
  } catch (const std::exception& error) {
    return BadParquet(doing, error.what());
  }
}

}  // namespace

base::Status BadParquet(std::string_view doing, std::string_view why) {
  return base::InvalidArgument("file", std::string(doing) + ": " + std::string(why), "bad_parquet");
}

base::Status StatusOfArrow(const arrow::Status& status, std::string_view doing) {
  const int error = arrow::internal::ErrnoFromStatus(status);
  if (error != 0) return base::FromErrno(error, doing);
  return BadParquet(doing, status.message());
}

// Of the type GetParquetModule.
extern "C" __attribute__((visibility("default"))) const ParquetModule* slipway_parquet(
    const std::string& version) {
  static constexpr ParquetModule kModule{&Open, &CreateParquetFile};
  return version == SLIPWAY_VERSION ? &kModule : nullptr;
}

}  // namespace slipway::storage
