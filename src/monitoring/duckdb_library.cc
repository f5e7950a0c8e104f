// SPDX-License-Identifier: Apache-2.0
// With the first SQL query: DuckDB's library is found and opened.
#include "monitoring/duckdb_library.h"

#include <dlfcn.h>

#include <mutex>
#include <string>
#include <utility>

#include "base/library_paths.h"
#include "slipway_build_config.h"

namespace slipway::monitoring::duck {
namespace {

base::Status Missing(const std::string& why) {
  return base::FailedPrecondition(
      "duckdb_missing",
      "SQL needs DuckDB 1.1 or later (libduckdb.so), which is installed with "
      "slipway: " +
          why);
}

// The names without "duckdb_" that could not be found, one after the other.
class Finder {
 public:
  explicit Finder(void* library) : library_(library) {}
  template <typename Function>
  Finder& Find(const char* name, Function& function) {
    function = reinterpret_cast<Function>(dlsym(library_, (std::string("duckdb_") + name).c_str()));
    if (function == nullptr) missing_ += std::string(" ") + name;
    return *this;
  }
  const std::string& missing() const { return missing_; }

 private:
  void* const library_;
  std::string missing_;
};

std::string FindAll(void* library, Functions& to) {
  Finder finder(library);
  finder.Find("create_config", to.create_config)
      .Find("set_config", to.set_config)
      .Find("destroy_config", to.destroy_config)
      .Find("open_ext", to.open_ext)
      .Find("close", to.close)
      .Find("connect", to.connect)
      .Find("disconnect", to.disconnect)
      .Find("interrupt", to.interrupt)
      .Find("free", to.free)
      .Find("query", to.query)
      .Find("extract_statements", to.extract_statements)
      .Find("extract_statements_error", to.extract_statements_error)
      .Find("destroy_extracted", to.destroy_extracted)
      .Find("prepare_extracted_statement", to.prepare_extracted_statement)
      .Find("prepare_error", to.prepare_error)
      .Find("prepared_statement_type", to.prepared_statement_type)
      .Find("destroy_prepare", to.destroy_prepare)
      .Find("execute_prepared_streaming", to.execute_prepared_streaming)
      .Find("result_error", to.result_error)
      .Find("destroy_result", to.destroy_result)
      .Find("column_count", to.column_count)
      .Find("column_name", to.column_name)
      .Find("column_logical_type", to.column_logical_type)
      .Find("get_type_id", to.get_type_id)
      .Find("decimal_scale", to.decimal_scale)
      .Find("decimal_internal_type", to.decimal_internal_type)
      .Find("destroy_logical_type", to.destroy_logical_type)
      .Find("fetch_chunk", to.fetch_chunk)
      .Find("data_chunk_get_size", to.data_chunk_get_size)
      .Find("data_chunk_get_vector", to.data_chunk_get_vector)
      .Find("destroy_data_chunk", to.destroy_data_chunk)
      .Find("vector_get_data", to.vector_get_data)
      .Find("vector_get_validity", to.vector_get_validity);
  return finder.missing();
}

}  // namespace

base::Result<const Functions*> Load() {
  static std::mutex mutex;
  static Functions functions;
  static bool loaded = false;
  const std::lock_guard lock(mutex);
  if (loaded) return &functions;
  const auto library =
      base::OpenLibrary(base::LibraryPaths("libduckdb.so", SLIPWAY_DEFAULT_DUCKDB));
  if (!library.ok()) return Missing(library.status().message());
  const std::string missing = FindAll(library->handle, functions);
  if (!missing.empty()) return Missing(library->path + " lacks" + missing);
  loaded = true;
  return &functions;
}

}  // namespace slipway::monitoring::duck
