// SPDX-License-Identifier: Apache-2.0
// Parquet files of flat columns, read and written by row group. Arrow lies in a library of its own,
// libslipway_parquet.so, opened with the first file: a server that has none never maps it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace slipway::storage {

// Integers of every width are kInt; dates and timestamps kTime, in microseconds since 1970, UTC;
// decimals kDouble; categories what they stand for. kOther: lists, structs, maps and the like,
// which Read refuses.
enum class ParquetType { kBool, kInt, kFloat, kDouble, kText, kBytes, kTime, kOther };

struct ParquetColumn {
  std::string name;
  ParquetType type = ParquetType::kDouble;
  std::string stored = {};  // the type as the file has it, for people; not needed for writing
};

// Values of one column; the span of its type has one entry a row, the others are empty. What stands
// where `present` is 0 means nothing.
struct ParquetValues {
  ParquetType type = ParquetType::kDouble;
  std::span<const uint8_t> bools = {};           // kBool
  std::span<const int64_t> ints = {};            // kInt, kTime
  std::span<const float> floats = {};            // kFloat
  std::span<const double> doubles = {};          // kDouble
  std::span<const std::string_view> texts = {};  // kText, kBytes
  std::span<const uint8_t> present = {};         // 0: missing; empty: none is missing

  [[nodiscard]] bool IsPresent(size_t row) const { return present.empty() || present[row] != 0; }
};

// One row group of the columns that were asked for, in that order. Owns what the spans point to.
struct ParquetBatch {
  int64_t rows = 0;
  std::vector<ParquetValues> columns;
  std::vector<std::shared_ptr<const void>> keep;
};

// Not thread-safe. kInvalidArgument (reason "bad_parquet") for bytes that are no good Parquet.
class ParquetReader {
 public:
  virtual ~ParquetReader() = default;
  [[nodiscard]] virtual const std::vector<ParquetColumn>& columns() const = 0;
  [[nodiscard]] virtual int64_t rows() const = 0;
  [[nodiscard]] virtual int groups() const = 0;
  [[nodiscard]] virtual int64_t RowsOf(int group) const = 0;
  [[nodiscard]] virtual const std::map<std::string, std::string>& metadata() const = 0;
  // Reads only the chosen columns (indices into columns()) from disk. kInvalidArgument (reason
  // "nested_column", field: the column) for one of type kOther.
  virtual base::Result<ParquetBatch> Read(int group, std::span<const int> chosen) = 0;
  // Least and greatest value in the group of a kInt or kTime column; nullopt when not recorded.
  [[nodiscard]] virtual std::optional<std::pair<int64_t, int64_t>> RangeOf(int group,
                                                                           int column) const = 0;
  // Index into columns(); nullopt when there is none of that name.
  [[nodiscard]] std::optional<int> Find(std::string_view name) const {
    for (size_t i = 0; i < columns().size(); ++i) {
      if (columns()[i].name == name) return static_cast<int>(i);
    }
    return std::nullopt;
  }
};

struct ParquetWriteSettings {
  std::map<std::string, std::string> metadata = {};  // in the file's footer
  std::optional<int> sorted_by = {};  // a column by which the caller's rows rise; noted only
  std::vector<int> looked_up = {};    // columns that get a bloom filter
};

// zstd; dictionaries for texts and integers only. Not thread-safe. A file without Finish is no
// Parquet file.
class ParquetWriter {
 public:
  virtual ~ParquetWriter() = default;
  // One row group: each column's values, in the order of the schema.
  virtual base::Status Write(int64_t rows, std::span<const ParquetValues> columns) = 0;
  virtual base::Status Finish() = 0;  // footer; then on disk (fsync)
};

// kNotFound: no such file. kFailedPrecondition (reason "parquet_missing"): the library is not
// there or belongs to another version. Thread-safe.
base::Result<std::unique_ptr<ParquetReader>> OpenParquet(const std::string& path);
// Replaces what is at `path`. Columns must have names of their own.
base::Result<std::unique_ptr<ParquetWriter>> CreateParquet(const std::string& path,
                                                           std::vector<ParquetColumn> columns,
                                                           ParquetWriteSettings settings);

}  // namespace slipway::storage
