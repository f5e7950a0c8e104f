# SPDX-License-Identifier: Apache-2.0
# Every third-party library of the machine's packages (deps/apt.txt), found once; rooms name these targets in LIBS.
set(Boost_NO_WARN_NEW_VERSIONS ON)
find_package(Boost 1.81 REQUIRED COMPONENTS json)  # Boost::headers (Beast, Asio, Math), Boost::json
find_package(OpenSSL 3 REQUIRED)                   # OpenSSL::SSL, OpenSSL::Crypto
find_package(SQLite3 REQUIRED)                     # SQLite::SQLite3
find_package(PostgreSQL REQUIRED)                  # PostgreSQL::PostgreSQL
find_package(ZLIB REQUIRED)                        # ZLIB::ZLIB
find_package(Protobuf REQUIRED)                    # protobuf::libprotobuf
find_package(PkgConfig REQUIRED)
pkg_check_modules(sodium REQUIRED IMPORTED_TARGET GLOBAL libsodium)  # slipway::sodium
pkg_check_modules(re2 REQUIRED IMPORTED_TARGET GLOBAL re2)           # slipway::re2
pkg_check_modules(zstd REQUIRED IMPORTED_TARGET GLOBAL libzstd)      # slipway::zstd
foreach(name sodium re2 zstd)
  add_library(slipway::${name} ALIAS PkgConfig::${name})
endforeach()
# gRPC's own search for re2 would add -pthread, which shuts out the tests' precompiled header: it finds this one instead.
set_property(TARGET PkgConfig::re2 PROPERTY INTERFACE_COMPILE_OPTIONS "")
add_library(re2::re2 ALIAS PkgConfig::re2)
find_package(gRPC CONFIG REQUIRED)                 # gRPC::grpc++
find_package(simdjson CONFIG REQUIRED)             # simdjson::simdjson
find_package(yaml-cpp CONFIG REQUIRED)             # yaml-cpp
find_package(fmt CONFIG REQUIRED)                  # fmt::fmt
find_package(spdlog CONFIG REQUIRED)               # spdlog::spdlog
find_package(CLI11 CONFIG REQUIRED)                # CLI11::CLI11
find_package(mimalloc 2 CONFIG REQUIRED)           # mimalloc
find_package(GTest CONFIG REQUIRED)                # GTest::gmock_main
find_package(rapidcheck CONFIG REQUIRED)           # rapidcheck, rapidcheck_gtest
find_program(SLIPWAY_GRPC_PLUGIN grpc_cpp_plugin REQUIRED)
