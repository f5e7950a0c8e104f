// SPDX-License-Identifier: Apache-2.0
// A closed prediction segment becomes a table, and a table is read: both by the library that knows
// Parquet, opened here.
#include "storage/parquet.h"

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "slipway_build_config.h"
#include "storage/module_loader.h"
#include "storage/parquet_module.h"

namespace slipway::storage {
namespace {

constexpr std::string_view kLibrary = "libslipway_parquet.so";
constexpr const char* kMissing = "parquet_missing";
constexpr std::string_view kNeeds = "Parquet files need";

base::Result<const ParquetModule*> FindModule() {
  static std::mutex mutex;
  static const ParquetModule* module = nullptr;
  const std::lock_guard lock(mutex);
  if (module != nullptr) return module;
  const auto get = reinterpret_cast<GetParquetModule>(
      TRY(FindInModule(kLibrary, SLIPWAY_DEFAULT_PARQUET, kParquetModuleName, kMissing, kNeeds)));
  module = get(SLIPWAY_VERSION);
  if (module == nullptr)
    return ModuleMissing(kLibrary, kMissing, kNeeds,
                         "the one found is not of version " SLIPWAY_VERSION);
  return module;
}

}  // namespace

base::Result<std::unique_ptr<ParquetReader>> OpenParquet(const std::string& path) {
  return TRY(FindModule())->open(path);
}

base::Result<std::unique_ptr<ParquetWriter>> CreateParquet(const std::string& path,
                                                           std::vector<ParquetColumn> columns,
                                                           ParquetWriteSettings settings) {
  return TRY(FindModule())->create(path, std::move(columns), std::move(settings));
}

}  // namespace slipway::storage
