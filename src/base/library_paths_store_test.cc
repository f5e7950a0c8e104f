// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <string>

#include "base/library_paths.h"

namespace slipway::base {
namespace {

TEST(OpenLibrary, TheFirstThatCanBeOpenedIsTaken) {
  const auto library = OpenLibrary({"/nowhere/libm.so.6", "libm.so.6"});
  ASSERT_TRUE(library.ok()) << library.status().ToString();
  EXPECT_EQ(library->path, "libm.so.6");
  EXPECT_NE(dlsym(library->handle, "cos"), nullptr);
}

TEST(OpenLibrary, EachThatWasTriedIsNamed) {
  const auto library = OpenLibrary({"/nowhere/one.so", "/nowhere/two.so"});
  ASSERT_FALSE(library.ok());
  EXPECT_EQ(library.status().reason(), "library_missing");
  EXPECT_NE(library.status().message().find("/nowhere/one.so"), std::string::npos);
  EXPECT_NE(library.status().message().find("/nowhere/two.so"), std::string::npos);
}

TEST(LibraryPaths, WhatTheBuildFoundComesLast) {
  EXPECT_EQ(LibraryPaths("libnot-there.so", "/built/lib.so"),
            std::vector<std::string>{"/built/lib.so"});
  EXPECT_TRUE(LibraryPaths("libnot-there.so", "").empty());
}

}  // namespace
}  // namespace slipway::base
