# SPDX-License-Identifier: Apache-2.0
# Reads src/ROWS: which rooms and files SLIPWAY_WITHOUT leaves out, and slipway_rows.h with SLIPWAY_WITH_<NAME>.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/ROWS)
file(STRINGS ${CMAKE_SOURCE_DIR}/src/ROWS rows REGEX "^[a-z]")
set(SLIPWAY_LEFT_OUT "")  # rooms and files, relative to src/
set(known "")
set(macros "")
foreach(row IN LISTS rows)
  separate_arguments(row)
  list(POP_FRONT row name)
  list(APPEND known ${name})
  set(with 1)
  if(name IN_LIST SLIPWAY_WITHOUT)
    list(APPEND SLIPWAY_LEFT_OUT ${row})
    set(with 0)
  endif()
  string(TOUPPER ${name} upper)
  string(APPEND macros "#define SLIPWAY_WITH_${upper} ${with}\n")
endforeach()
foreach(name IN LISTS SLIPWAY_WITHOUT)
  if(NOT name IN_LIST known)
    message(FATAL_ERROR "SLIPWAY_WITHOUT names '${name}', which is not a row of src/ROWS (${known})")
  endif()
endforeach()
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/slipway_rows.h @ONLY CONTENT
"// SPDX-License-Identifier: Apache-2.0
// Which rows of src/ROWS this build has.
#pragma once

@macros@")
