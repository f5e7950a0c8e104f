// SPDX-License-Identifier: Apache-2.0
// A closed prediction segment is written as a table, one row group at a time.
#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/builder.h>
#include <arrow/io/file.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <arrow/util/bit_util.h>
#include <arrow/util/key_value_metadata.h>
#include <fcntl.h>
#include <parquet/arrow/writer.h>
#include <parquet/exception.h>
#include <parquet/properties.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "storage/parquet.h"
#include "storage/parquet_parts.h"

namespace slipway::storage {
namespace {

std::shared_ptr<arrow::DataType> ArrowType(ParquetType type) {
  switch (type) {
    case ParquetType::kBool:
      return arrow::boolean();
    case ParquetType::kInt:
      return arrow::int64();
    case ParquetType::kFloat:
      return arrow::float32();
    case ParquetType::kText:
      return arrow::utf8();
    case ParquetType::kBytes:
      return arrow::binary();
    case ParquetType::kTime:
      return arrow::timestamp(arrow::TimeUnit::MICRO, "UTC");
    default:
      return arrow::float64();
  }
}

std::shared_ptr<arrow::Buffer> PackBits(std::span<const uint8_t> bytes) {
  std::string bits((bytes.size() + 7) / 8, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] != 0) bits[i / 8] = static_cast<char>(bits[i / 8] | (1 << (i % 8)));
  }
  return arrow::Buffer::FromString(std::move(bits));
}

// The caller's own bytes: they live until the row group is written.
template <typename T>
std::shared_ptr<arrow::Array> Borrow(const std::shared_ptr<arrow::DataType>& type,
                                     std::span<const T> values,
                                     std::shared_ptr<arrow::Buffer> present) {
  auto bytes = std::make_shared<arrow::Buffer>(reinterpret_cast<const uint8_t*>(values.data()),
                                               static_cast<int64_t>(values.size_bytes()));
  return arrow::MakeArray(arrow::ArrayData::Make(type, static_cast<int64_t>(values.size()),
                                                 {std::move(present), std::move(bytes)}));
}

arrow::Result<std::shared_ptr<arrow::Array>> BuildTexts(const ParquetValues& values, bool utf8) {
  arrow::BinaryBuilder bytes;
  arrow::StringBuilder text;
  arrow::BinaryBuilder& builder = utf8 ? text : bytes;
  for (size_t i = 0; i < values.texts.size(); ++i) {
    ARROW_RETURN_NOT_OK(values.IsPresent(i) ? builder.Append(values.texts[i])
                                            : builder.AppendNull());
  }
  return builder.Finish();
}

arrow::Result<std::shared_ptr<arrow::Array>> ArrayOf(ParquetType type,
                                                     const ParquetValues& values) {
  const auto arrow_type = ArrowType(type);
  auto present = values.present.empty() ? nullptr : PackBits(values.present);
  switch (type) {
    case ParquetType::kBool:
      return arrow::MakeArray(arrow::ArrayData::Make(arrow_type,
                                                     static_cast<int64_t>(values.bools.size()),
                                                     {std::move(present), PackBits(values.bools)}));
    case ParquetType::kInt:
    case ParquetType::kTime:
      return Borrow(arrow_type, values.ints, std::move(present));
    case ParquetType::kFloat:
      return Borrow(arrow_type, values.floats, std::move(present));
    case ParquetType::kText:
    case ParquetType::kBytes:
      return BuildTexts(values, type == ParquetType::kText);
    default:
      return Borrow(arrow_type, values.doubles, std::move(present));
  }
}

std::shared_ptr<parquet::WriterProperties> PropertiesOf(const std::vector<ParquetColumn>& columns,
                                                        const ParquetWriteSettings& settings) {
  parquet::WriterProperties::Builder builder;
  builder.compression(parquet::Compression::ZSTD);
  for (const ParquetColumn& column : columns) {
    // Floats hardly repeat: a dictionary of them is slower to write and larger.
    if (column.type == ParquetType::kFloat || column.type == ParquetType::kDouble)
      builder.disable_dictionary(column.name);
  }
  for (const int column : settings.looked_up)
    builder.enable_bloom_filter(columns[static_cast<size_t>(column)].name, {});
  if (settings.sorted_by) builder.set_sorting_columns({{*settings.sorted_by, false, false}});
  return builder.build();
}

class ArrowParquetWriter final : public ParquetWriter {
 public:
  ArrowParquetWriter(std::string path, std::vector<ParquetColumn> columns,
                     std::shared_ptr<arrow::io::FileOutputStream> bytes,
                     std::unique_ptr<parquet::arrow::FileWriter> file)
      : path_(std::move(path)),
        columns_(std::move(columns)),
        bytes_(std::move(bytes)),
        file_(std::move(file)) {}

  base::Status Write(int64_t rows, std::span<const ParquetValues> columns) override;
  base::Status Finish() override;

 private:
  arrow::Status WriteGroup(std::span<const ParquetValues> columns, int64_t rows);

  const std::string path_;
  const std::vector<ParquetColumn> columns_;
  const std::shared_ptr<arrow::io::FileOutputStream> bytes_;
  const std::unique_ptr<parquet::arrow::FileWriter> file_;
};

arrow::Status ArrowParquetWriter::WriteGroup(std::span<const ParquetValues> columns, int64_t rows) {
  ARROW_RETURN_NOT_OK(file_->NewRowGroup());
  for (size_t i = 0; i < columns.size(); ++i) {
    ARROW_ASSIGN_OR_RAISE(const auto array, ArrayOf(columns_[i].type, columns[i]));
    if (array->length() != rows)
      return arrow::Status::Invalid("column ", columns_[i].name, " has not one value a row");
    ARROW_RETURN_NOT_OK(file_->WriteColumnChunk(*array));
  }
  return arrow::Status::OK();
}

base::Status ArrowParquetWriter::Write(int64_t rows, std::span<const ParquetValues> columns) {
  CHECK(columns.size() == columns_.size(), "a row group has the columns of the schema");
  try {
    const arrow::Status written = WriteGroup(columns, rows);
    return written.ok() ? base::Status::Ok() : StatusOfArrow(written, "write " + path_);
  } catch (const std::exception& error) {
    return BadParquet("write " + path_, error.what());
  }
}

base::Status ArrowParquetWriter::Finish() {
  try {
    arrow::Status closed = file_->Close();
    if (closed.ok()) closed = bytes_->Close();
    if (!closed.ok()) return StatusOfArrow(closed, "write " + path_);
  } catch (const std::exception& error) {
    return BadParquet("write " + path_, error.what());
  }
  const int file = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return base::FromErrno(errno, "sync " + path_);
  const int failed = ::fsync(file) == 0 ? 0 : errno;
  ::close(file);
  return failed == 0 ? base::Status::Ok() : base::FromErrno(failed, "sync " + path_);
}

}  // namespace

base::Result<std::unique_ptr<ParquetWriter>> CreateParquetFile(const std::string& path,
                                                               std::vector<ParquetColumn> columns,
                                                               ParquetWriteSettings settings) {
  arrow::FieldVector fields;
  std::set<std::string> names;
  for (const ParquetColumn& column : columns) {
    if (!names.insert(column.name).second || column.type == ParquetType::kOther)
      return base::InvalidArgument("columns",
                                   "column " + column.name + " is there twice or of no flat type");
    fields.push_back(arrow::field(column.name, ArrowType(column.type)));
  }
  const std::string doing = "write " + path;
  const auto bytes = arrow::io::FileOutputStream::Open(path);
  if (!bytes.ok()) return StatusOfArrow(bytes.status(), doing);
  try {
    const auto schema = arrow::schema(std::move(fields));
    auto file = parquet::arrow::FileWriter::Open(*schema, arrow::default_memory_pool(), *bytes,
                                                 PropertiesOf(columns, settings));
    if (!file.ok()) return StatusOfArrow(file.status(), doing);
    const auto pairs = std::make_shared<arrow::KeyValueMetadata>();
    for (const auto& [key, value] : settings.metadata) pairs->Append(key, value);
    const arrow::Status added = (*file)->AddKeyValueMetadata(pairs);
    if (!added.ok()) return StatusOfArrow(added, doing);
    return std::unique_ptr<ParquetWriter>(std::make_unique<ArrowParquetWriter>(
        path, std::move(columns), *bytes, std::move(file).ValueUnsafe()));
  } catch (const std::exception& error) {
    return BadParquet(doing, error.what());
  }
}

}  // namespace slipway::storage
