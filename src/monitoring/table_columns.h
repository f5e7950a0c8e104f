// SPDX-License-Identifier: Apache-2.0
// Which columns a table of prediction records has, and which tensor's elements lie in which.
// Private to this room.
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "monitoring/record_codec.h"
#include "storage/parquet.h"

namespace slipway::monitoring {

inline constexpr int kWholeRecord = -1;  // layout of a record that stands as bytes in `other`

// The columns that every table has; the tensors' follow.
enum FixedColumn : int {
  kColumnId,
  kColumnTime,
  kColumnEndpoint,
  kColumnModel,
  kColumnVersion,
  kColumnArm,
  kColumnPlanEpoch,
  kColumnKey,
  kColumnRequestId,
  kColumnProtocol,
  kColumnStatusCode,
  kColumnError,
  kColumnQueueNs,
  kColumnRunNs,
  kColumnTotalNs,
  kColumnCached,
  kColumnFeatureViews,
  kColumnRows,
  kColumnRow,
  kColumnLogSegment,
  kColumnLogOffset,
  kColumnLayout,
  kColumnOther,
  kFixedColumns
};

// One tensor of a record: in columns, one a row's element; or, without columns, in `other`.
struct TensorLayout {
  std::string name;
  inference::DataType type = inference::DataType::kFp32;
  size_t rank = 1;
  std::string labels;             // encoded tensor of column labels; empty: none
  std::vector<int> columns = {};  // indices into the schema's columns
};
struct RecordLayout {
  std::vector<TensorLayout> inputs;
  std::vector<TensorLayout> outputs;
};

class TableSchema {
 public:
  TableSchema();
  // The number of the record's layout, its columns made where they are new; kWholeRecord when it
  // cannot be split; nullopt when a column is there with another type.
  std::optional<int> Place(const PredictionView& view);
  [[nodiscard]] const std::vector<storage::ParquetColumn>& columns() const { return columns_; }
  [[nodiscard]] const std::vector<RecordLayout>& layouts() const { return layouts_; }
  // For the file's footer, and back. kDataLoss (bad_record) when the text does not fit the columns.
  [[nodiscard]] std::string PrintLayouts() const;
  static base::Result<std::vector<RecordLayout>> ParseLayouts(std::string_view text,
                                                              size_t columns);

 private:
  bool PlaceTensor(const TensorView& tensor, int64_t rows, const std::string& prefix,
                   std::set<int>& taken, TensorLayout& layout);

  std::vector<storage::ParquetColumn> columns_;
  std::map<std::string, int> by_name_;  // lower case: readers differ in whether case counts
  std::vector<RecordLayout> layouts_;
  std::map<std::string, int> known_;  // printed layout -> its number
};

// The values of one row group, column by column.
class TableColumns {
 public:
  TableColumns(const TableSchema& schema, size_t rows);
  void Integer(int column, size_t row, int64_t value);
  void Truth(int column, size_t row, bool value);
  void Text(int column, size_t row, std::string_view value);  // must live as long as this
  void OwnText(int column, size_t row, std::string value);
  // The row's elements of a tensor that lies in columns.
  void Elements(const TensorLayout& layout, const TensorView& tensor, size_t first_row,
                int64_t rows);
  [[nodiscard]] std::vector<storage::ParquetValues> Values() const;

 private:
  struct Data {
    storage::ParquetType type = storage::ParquetType::kInt;
    std::vector<uint8_t> bools;
    std::vector<int64_t> ints;
    std::vector<float> floats;
    std::vector<double> doubles;
    std::vector<std::string_view> texts;
    std::vector<uint8_t> present;
  };
  std::vector<Data> columns_;
  std::deque<std::string> owned_;
};

bool IsUtf8(std::string_view text);
// The element as an integer; not for floating types and strings.
int64_t IntegerAt(const TensorView& tensor, int64_t index);

}  // namespace slipway::monitoring
