// SPDX-License-Identifier: Apache-2.0
// A table in a file, read column by column: CSV, .npz or Parquet, by its ending.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/status.h"

namespace slipway::cli {

inline constexpr int64_t kMostTableBytes = 4LL << 30;
inline constexpr size_t kMostTableColumns = 20'000;

struct TableColumn {
  std::string name;
  std::string type;  // "int64", "double", "float", "bool", "string", "time"
};

// Numbers (and booleans as 0 and 1, times as microseconds since 1970): NaN is missing. Texts: ""
// is.
struct ColumnValues {
  std::variant<std::vector<double>, std::vector<float>, std::vector<std::string>> values;
  bool has_missing = false;
  [[nodiscard]] size_t size() const;
};

// Not thread-safe; another thread takes its own by Another().
class TableSource {
 public:
  virtual ~TableSource() = default;
  [[nodiscard]] virtual const std::vector<TableColumn>& columns() const = 0;
  [[nodiscard]] virtual int64_t rows() const = 0;
  virtual base::Result<ColumnValues> Read(size_t column) = 0;
  // The same file for another thread.
  [[nodiscard]] virtual base::Result<std::unique_ptr<TableSource>> Another() const = 0;

  [[nodiscard]] std::optional<size_t> Find(std::string_view name) const;
};

// kInvalidArgument naming `field` for a file that is no such table; kNotFound when it is not there.
base::Result<std::unique_ptr<TableSource>> OpenTable(const std::string& path,
                                                     std::string_view field);
// A header line, then RFC 4180 cells. A column is of numbers when every cell is one, or missing:
// empty or what pandas takes for missing ("NA", "nan", "null", ...).
base::Result<std::unique_ptr<TableSource>> ParseCsv(std::string text, const std::string& path);

}  // namespace slipway::cli
