# SPDX-License-Identifier: Apache-2.0
# What is written at build time into build/generated: embedded SQL and files, protobuf and gRPC sources.
set(SLIPWAY_GENERATED ${CMAKE_BINARY_DIR}/generated)

# slipway_migrations(room): src/<room>/migrations/NNNN_name.sql -> <room>/migrations.h, slipway::<room>::Migrations().
# Sets SLIPWAY_MIGRATION_SOURCE in the caller: the generated .cc, or nothing when the room has no migrations.
function(slipway_migrations room)
  file(GLOB sql CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${room}/migrations/*.sql)
  set(SLIPWAY_MIGRATION_SOURCE "" PARENT_SCOPE)
  if(NOT sql)
    return()
  endif()
  string(REPLACE "/" "::" namespace ${room})
  file(CONFIGURE OUTPUT ${SLIPWAY_GENERATED}/${room}/migrations.h @ONLY CONTENT
"// SPDX-License-Identifier: Apache-2.0
// The numbered .sql files of src/@room@/migrations, in order.
#pragma once

#include <span>

#include \"storage/migration.h\"

namespace slipway::@namespace@ {

std::span<const storage::Migration> Migrations();

}  // namespace slipway::@namespace@
")
  set(source ${SLIPWAY_GENERATED}/${room}/migrations_embedded.cc)
  add_custom_command(OUTPUT ${source}
    COMMAND ${CMAKE_COMMAND} -DROOM=${room} -DNAMESPACE=${namespace} -DOUTPUT=${source}
            -DFOLDER=${CMAKE_SOURCE_DIR}/src/${room}/migrations -P ${CMAKE_SOURCE_DIR}/cmake/write_migrations.cmake
    DEPENDS ${sql} ${CMAKE_SOURCE_DIR}/cmake/write_migrations.cmake VERBATIM)
  set(SLIPWAY_MIGRATION_SOURCE ${source} PARENT_SCOPE)
endfunction()

# slipway_embed(TARGET NAME folder [DEPENDS file...]): every file below `folder` (as it is when the build gets there; it is
# read again when a DEPENDS file changes) goes byte for byte into TARGET. "embedded/<name>.h" declares
# slipway::embedded::<Name>(), a table of {path relative to the folder, bytes} sorted by path.
function(slipway_embed target name folder)
  cmake_parse_arguments(PARSE_ARGV 3 arg "" "" "DEPENDS")
  string(SUBSTRING ${name} 0 1 first)
  string(SUBSTRING ${name} 1 -1 rest)
  string(TOUPPER ${first} first)
  set(function_name ${first}${rest})
  file(CONFIGURE OUTPUT ${SLIPWAY_GENERATED}/embedded/file.h @ONLY CONTENT
"// SPDX-License-Identifier: Apache-2.0
// File: one embedded file. Both views live as long as the process.
#pragma once

#include <string_view>

namespace slipway::embedded {

struct File {
  std::string_view path;
  std::string_view bytes;
};

}  // namespace slipway::embedded
")
  file(CONFIGURE OUTPUT ${SLIPWAY_GENERATED}/embedded/${name}.h @ONLY CONTENT
"// SPDX-License-Identifier: Apache-2.0
// The embedded files of @name@, sorted by path.
#pragma once

#include <span>

#include \"embedded/file.h\"

namespace slipway::embedded {

std::span<const File> @function_name@();

}  // namespace slipway::embedded
")
  set(source ${SLIPWAY_GENERATED}/embedded/${name}.cc)
  add_custom_command(OUTPUT ${source}
    COMMAND ${CMAKE_COMMAND} -DNAME=${name} -DFUNCTION=${function_name} -DFOLDER=${folder} -DOUTPUT=${source}
            -P ${CMAKE_SOURCE_DIR}/cmake/write_embedded.cmake
    DEPENDS ${arg_DEPENDS} ${CMAKE_SOURCE_DIR}/cmake/write_embedded.cmake VERBATIM)
  target_sources(${target} PRIVATE ${source})
endfunction()

# slipway_web(TARGET): runs `npm run build -- --outdir=<build>/web` in web/ whenever something in web/ has changed, and embeds
# what it leaves there as slipway::embedded::Web(), declared in "embedded/web.h".
function(slipway_web target)
  find_program(SLIPWAY_NPM npm REQUIRED)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/web/*)
  list(FILTER sources EXCLUDE REGEX "/web/(node_modules|dist)/")
  set(stamp ${CMAKE_BINARY_DIR}/web.stamp)
  add_custom_command(OUTPUT ${stamp}
    COMMAND ${CMAKE_COMMAND} -E rm -rf ${CMAKE_BINARY_DIR}/web
    COMMAND ${SLIPWAY_NPM} --prefix ${CMAKE_SOURCE_DIR}/web run --silent build -- --outdir=${CMAKE_BINARY_DIR}/web
    COMMAND ${CMAKE_COMMAND} -E touch ${stamp}
    DEPENDS ${sources} VERBATIM)
  slipway_embed(${target} web ${CMAKE_BINARY_DIR}/web DEPENDS ${stamp})
endfunction()

# slipway_proto(TARGET x.proto...): protobuf and gRPC sources of the .proto files beside the caller's CMakeLists.txt, as the
# library TARGET_proto (no warnings) linked to TARGET. Include them as "<room>/x.pb.h" and "<room>/x.grpc.pb.h", in .cc only.
function(slipway_proto target)
  set(sources "")
  foreach(file IN LISTS ARGN)
    cmake_path(ABSOLUTE_PATH file BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} NORMALIZE)
    cmake_path(RELATIVE_PATH file BASE_DIRECTORY ${CMAKE_SOURCE_DIR}/src OUTPUT_VARIABLE relative)
    cmake_path(REMOVE_EXTENSION relative OUTPUT_VARIABLE stem)
    set(out ${SLIPWAY_GENERATED}/${stem})
    add_custom_command(OUTPUT ${out}.pb.cc ${out}.pb.h ${out}.grpc.pb.cc ${out}.grpc.pb.h
      COMMAND protobuf::protoc -I ${CMAKE_SOURCE_DIR}/src --cpp_out=${SLIPWAY_GENERATED}
              --grpc_out=${SLIPWAY_GENERATED} --plugin=protoc-gen-grpc=${SLIPWAY_GRPC_PLUGIN} ${file}
      DEPENDS ${file} VERBATIM)
    list(APPEND sources ${out}.pb.cc ${out}.grpc.pb.cc)
  endforeach()
  add_library(${target}_proto STATIC ${sources})
  target_compile_options(${target}_proto PRIVATE -w)
  target_include_directories(${target}_proto SYSTEM PUBLIC ${SLIPWAY_GENERATED})
  target_link_libraries(${target}_proto PUBLIC gRPC::grpc++ protobuf::libprotobuf)
  target_link_libraries(${target} PUBLIC ${target}_proto)
endfunction()
