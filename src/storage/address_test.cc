// SPDX-License-Identifier: Apache-2.0
#include "storage/address.h"

#include <gtest/gtest.h>

namespace slipway::storage {
namespace {

TEST(ResolveAddress, PutsRelativePathsBelowTheDataFolder) {
  EXPECT_EQ(ResolveAddress("sqlite:slipway.db", "/data"), "sqlite:/data/slipway.db");
  EXPECT_EQ(ResolveAddress("file:a/b", "rel"), "file:rel/a/b");
  EXPECT_EQ(ResolveAddress("sqlite:/elsewhere/x.db", "/data"), "sqlite:/elsewhere/x.db");
  EXPECT_EQ(ResolveAddress("postgresql://user@host/db", "/data"), "postgresql://user@host/db");
  EXPECT_EQ(ResolveAddress("file:", "/data"), "file:");
}

TEST(PathOfAddress, TakesTheSchemeOff) {
  EXPECT_EQ(PathOfAddress("file:/data/x", "file"), "/data/x");
  EXPECT_EQ(PathOfAddress("file:///data/x", "file"), "/data/x");
  EXPECT_EQ(PathOfAddress("/data/x", "file"), "/data/x");
  EXPECT_EQ(PathOfAddress("file:", "file"), "");
}

}  // namespace
}  // namespace slipway::storage
