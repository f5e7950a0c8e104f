// SPDX-License-Identifier: Apache-2.0
// The part of DuckDB's stable C API that SQL over the logs uses, found in libduckdb.so by name.
// Private to this room.
#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"

namespace slipway::monitoring::duck {

// Handles of the library; only it knows what they point to.
using Handle = void*;
enum State : int { kSuccess = 0, kError = 1 };

// As the library lays it out; it is passed by value.
struct Result {
  uint64_t unused_counts[3] = {};
  void* unused_columns = nullptr;
  char* unused_message = nullptr;
  void* internal = nullptr;
};

// A text in a vector: up to 12 bytes stand in it, longer ones behind the pointer.
union Text {
  struct {
    uint32_t length;
    char bytes[12];
  } here;
  struct {
    uint32_t length;
    char prefix[4];
    const char* bytes;
  } far;
};
static_assert(sizeof(Text) == 16);

inline constexpr int kSelectStatement = 1;

struct Functions {
  State (*create_config)(Handle*) = nullptr;
  State (*set_config)(Handle, const char*, const char*) = nullptr;
  void (*destroy_config)(Handle*) = nullptr;
  State (*open_ext)(const char*, Handle*, Handle, char**) = nullptr;
  void (*close)(Handle*) = nullptr;
  State (*connect)(Handle, Handle*) = nullptr;
  void (*disconnect)(Handle*) = nullptr;
  void (*interrupt)(Handle) = nullptr;
  void (*free)(void*) = nullptr;
  State (*query)(Handle, const char*, Result*) = nullptr;
  uint64_t (*extract_statements)(Handle, const char*, Handle*) = nullptr;
  const char* (*extract_statements_error)(Handle) = nullptr;
  void (*destroy_extracted)(Handle*) = nullptr;
  State (*prepare_extracted_statement)(Handle, Handle, uint64_t, Handle*) = nullptr;
  const char* (*prepare_error)(Handle) = nullptr;
  int (*prepared_statement_type)(Handle) = nullptr;
  void (*destroy_prepare)(Handle*) = nullptr;
  State (*execute_prepared_streaming)(Handle, Result*) = nullptr;
  const char* (*result_error)(Result*) = nullptr;
  void (*destroy_result)(Result*) = nullptr;
  uint64_t (*column_count)(Result*) = nullptr;
  const char* (*column_name)(Result*, uint64_t) = nullptr;
  Handle (*column_logical_type)(Result*, uint64_t) = nullptr;
  int (*get_type_id)(Handle) = nullptr;
  uint8_t (*decimal_scale)(Handle) = nullptr;
  int (*decimal_internal_type)(Handle) = nullptr;
  void (*destroy_logical_type)(Handle*) = nullptr;
  Handle (*fetch_chunk)(Result) = nullptr;
  uint64_t (*data_chunk_get_size)(Handle) = nullptr;
  Handle (*data_chunk_get_vector)(Handle, uint64_t) = nullptr;
  void (*destroy_data_chunk)(Handle*) = nullptr;
  void* (*vector_get_data)(Handle) = nullptr;
  uint64_t* (*vector_get_validity)(Handle) = nullptr;
};

// Opens the library with the first call. kFailedPrecondition (reason "duckdb_missing").
// Thread-safe.
base::Result<const Functions*> Load();

}  // namespace slipway::monitoring::duck
