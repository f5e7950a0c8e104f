// SPDX-License-Identifier: Apache-2.0
// What libslipway_parquet.so is asked for. Private to this room.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "storage/parquet.h"

namespace slipway::storage {

inline constexpr const char* kParquetModuleName = "slipway_parquet";

struct ParquetModule {
  base::Result<std::unique_ptr<ParquetReader>> (*open)(const std::string& path) = nullptr;
  base::Result<std::unique_ptr<ParquetWriter>> (*create)(const std::string& path,
                                                         std::vector<ParquetColumn> columns,
                                                         ParquetWriteSettings settings) = nullptr;
};

// Null when the library was built for another version of Slipway: the types that the two share may
// differ.
using GetParquetModule = const ParquetModule* (*)(const std::string& version);

}  // namespace slipway::storage
