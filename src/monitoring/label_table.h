// SPDX-License-Identifier: Apache-2.0
// Labels out of a CSV text or a Parquet file: one a row, under a header of column names.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "monitoring/labels.h"

namespace slipway::monitoring {

// A row that could be read, or why not; rows count from 1, the header aside.
struct LabelRow {
  int64_t number = 0;
  LabelInput label;
  base::Status status;  // field "row 7, column value"
};

// Columns: prediction_id, request_id (with row), or key; value; time (RFC 3339; without: `now`).
// kInvalidArgument: the header, or more than kMaxLabelsInBatch rows.
base::Result<std::vector<LabelRow>> ReadLabelCsv(std::string_view text, base::Micros now);
base::Result<std::vector<LabelRow>> ReadLabelParquet(const std::string& path, base::Micros now);

}  // namespace slipway::monitoring
