// SPDX-License-Identifier: Apache-2.0
#include "storage/blobs_file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "base/files.h"
#include "storage/folder_testing.h"

namespace slipway::storage {
namespace {

TEST(FileBlobs, AStartDropsUnfinishedUploads) {
  const TestFolder folder;
  ASSERT_TRUE(OpenFileBlobs(folder.path()).ok());
  ASSERT_TRUE(base::WriteFileAtomically(folder / ".incoming/left", "half").ok());
  ASSERT_TRUE(OpenFileBlobs(folder.path()).ok());
  EXPECT_TRUE(std::filesystem::is_empty(folder / ".incoming"));
}

TEST(FileBlobs, NeverFollowsSymbolicLinks) {
  const TestFolder folder;
  const TestFolder outside;
  ASSERT_TRUE(base::WriteFileAtomically(outside / "secret", "secret").ok());
  auto blobs = OpenFileBlobs(folder.path()).value();
  std::filesystem::create_symlink(outside / "secret", folder / "link");
  std::filesystem::create_directory_symlink(outside.path(), folder / "away");
  EXPECT_FALSE(blobs->Get("link", 100).ok());
  EXPECT_FALSE(blobs->Get("away/secret", 100).ok());
  EXPECT_FALSE(blobs->Put("away/mine", "x").ok());
  EXPECT_FALSE(std::filesystem::exists(outside / "mine"));
  EXPECT_TRUE(blobs->ListAll("").value().empty());
}

TEST(FileBlobs, ARelativePathIsShownWhole) {
  const auto blobs = OpenFileBlobs(std::filesystem::relative(TestFolder().path()).string()).value();
  EXPECT_TRUE(blobs->UriOf("a").starts_with("/"));
  std::filesystem::remove_all(std::filesystem::path(blobs->UriOf("a")).parent_path());
}

}  // namespace
}  // namespace slipway::storage
