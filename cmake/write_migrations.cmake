# SPDX-License-Identifier: Apache-2.0
# Run at build time: writes OUTPUT, the table of ROOM's migrations, from FOLDER/NNNN_name.sql.
file(GLOB files ${FOLDER}/*.sql)
list(SORT files)
set(table "")
set(expected 1)
foreach(path IN LISTS files)
  cmake_path(GET path FILENAME file)
  if(NOT file MATCHES "^([0-9][0-9][0-9][0-9])_([a-z0-9_]+)\\.sql$")
    message(FATAL_ERROR "${path}: a migration is named NNNN_name.sql")
  endif()
  set(name ${CMAKE_MATCH_2})
  string(REGEX REPLACE "^0+" "" number ${CMAKE_MATCH_1})
  if(NOT number EQUAL expected)
    message(FATAL_ERROR "${path}: migration number ${expected} was expected here")
  endif()
  math(EXPR expected "${expected} + 1")
  file(READ ${path} sql)
  string(APPEND table "    {\"${ROOM}\", ${number}, \"${name}\", R\"sql_text(${sql})sql_text\"},\n")
endforeach()
file(WRITE ${OUTPUT} "// SPDX-License-Identifier: Apache-2.0
#include \"${ROOM}/migrations.h\"

namespace slipway::${NAMESPACE} {
namespace {

const storage::Migration kMigrations[] = {
${table}};

}  // namespace

std::span<const storage::Migration> Migrations() { return kMigrations; }

}  // namespace slipway::${NAMESPACE}
")
