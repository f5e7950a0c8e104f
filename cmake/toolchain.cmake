# SPDX-License-Identifier: Apache-2.0
# Compiler, linker and cache settings that every target shares.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1")
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

# g++ 12 reports overlaps and uninitialised reads inside std::string and std::optional that are not there (GCC bugs
# 105651 and 80635), so these two are off; the sanitizer builds look for the real ones.
set(SLIPWAY_WARNINGS -Wall -Wextra -Wshadow -Wconversion -Werror -Wno-restrict -Wno-maybe-uninitialized)
# Paths of the machine stay out of the binary, and ccache shares objects between checkouts.
add_compile_options(-ffile-prefix-map=${CMAKE_SOURCE_DIR}=. -ffile-prefix-map=${CMAKE_BINARY_DIR}=build)

if(SLIPWAY_SANITIZE STREQUAL "address")
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -O1)
  add_link_options(-fsanitize=address,undefined)
elseif(SLIPWAY_SANITIZE STREQUAL "thread")
  # g++'s thread sanitizer does not model fences and says so with a warning at each one.
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer -O1 -Wno-tsan)
  add_link_options(-fsanitize=thread)
elseif(NOT SLIPWAY_SANITIZE STREQUAL "")
  message(FATAL_ERROR "SLIPWAY_SANITIZE is '${SLIPWAY_SANITIZE}'; expected address, thread or nothing")
endif()

find_program(SLIPWAY_CCACHE ccache)
if(SLIPWAY_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${SLIPWAY_CCACHE})
endif()
find_program(SLIPWAY_MOLD mold)
if(SLIPWAY_MOLD)
  add_link_options(-fuse-ld=mold)
endif()
add_link_options(-Wl,--as-needed)
