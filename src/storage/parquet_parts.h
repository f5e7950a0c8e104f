// SPDX-License-Identifier: Apache-2.0
// The parts of libslipway_parquet.so. Private to that library.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "storage/parquet.h"

namespace arrow {
class Array;
class DataType;
class Status;
}  // namespace arrow

namespace slipway::storage {

// kInvalidArgument (bad_parquet), kNotFound or kUnavailable of what Arrow says.
base::Status StatusOfArrow(const arrow::Status& status, std::string_view doing);
base::Status BadParquet(std::string_view doing, std::string_view why);

ParquetType TypeOf(const arrow::DataType& type);
// Values of an array of a flat type as the spans want them; what they point to goes to `keep`.
base::Result<ParquetValues> ValuesOf(const std::shared_ptr<arrow::Array>& array,
                                     const std::string& column,
                                     std::vector<std::shared_ptr<const void>>& keep);

base::Result<std::unique_ptr<ParquetWriter>> CreateParquetFile(const std::string& path,
                                                               std::vector<ParquetColumn> columns,
                                                               ParquetWriteSettings settings);

}  // namespace slipway::storage
