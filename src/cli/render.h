// SPDX-License-Identifier: Apache-2.0
// Tables on a terminal.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "cli/command.h"

namespace slipway::cli {

// The value at a dotted path as one cell: text unquoted, numbers to at most 6 digits, absent and
// null as "-".
std::string Cell(const base::Json& row, std::string_view dotted);
// Columns padded to their widest cell (at most 60 characters each), a header line, one line a row.
std::string Table(std::span<const Column> columns, const base::Json::Array& rows);

}  // namespace slipway::cli
