// SPDX-License-Identifier: Apache-2.0
// CSV as columns: RFC 4180 with a line of names. Pure functions.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "inference/columns.h"

namespace slipway::inference {

// A column of numbers has an empty cell and pandas' words for it (NA, NaN, null ...) as missing
// values, and is of integers when all of its cells are. kAsItLooks: numbers when all of its cells
// are, none of them quoted; else text.
enum class CsvKind { kNumbers, kText, kAsItLooks };
using CsvKinds = std::function<CsvKind(const std::string& name)>;
// Of a file without a line of names: those of so many columns.
using CsvNames = std::function<std::vector<std::string>(size_t width)>;

// kInvalidArgument: field "csv" with the row, or the name of the column whose cell is no number
// (reason "bad_cell").
base::Result<std::vector<Column>> ColumnsFromCsv(std::string_view csv, const CsvKinds& kinds,
                                                 const CsvNames& names = {});

// Whether the first line is cells of numbers: data and not names, to a caller who may leave them
// out.
bool CsvBeginsWithNumbers(std::string_view csv);

}  // namespace slipway::inference
