// SPDX-License-Identifier: Apache-2.0
// Files on a real disk.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/files.h"
#include "base/ids.h"

namespace slipway::base {
namespace {

class FilesTest : public testing::Test {
 protected:
  FilesTest() : folder_(testing::TempDir() + "slipway_files_" + RandomHex32()) {
    EXPECT_TRUE(CreateDirectories(folder_ + "/inside/deep").ok());
    EXPECT_TRUE(WriteFileAtomically(folder_ + "/secret", "outside").ok());
    EXPECT_TRUE(WriteFileAtomically(folder_ + "/inside/deep/file", "text").ok());
  }
  ~FilesTest() override { std::filesystem::remove_all(folder_); }

  std::string folder_;
};

TEST_F(FilesTest, OpensWhatIsInside) {
  const auto directory = Directory::Open(folder_ + "/inside", false);
  ASSERT_TRUE(directory.ok());
  const auto file = directory->OpenFile("deep/file", O_RDONLY);
  ASSERT_TRUE(file.ok()) << file.status().ToString();
  char text[8] = {};
  EXPECT_EQ(read(file->fd(), text, sizeof(text)), 4);
  EXPECT_TRUE(directory->OpenFile("deep/new", O_WRONLY | O_CREAT | O_EXCL).ok());
  EXPECT_TRUE(directory->OpenFile("deep", O_RDONLY | O_DIRECTORY).ok());
  EXPECT_EQ(directory->OpenFile("deep/new", O_WRONLY | O_CREAT | O_EXCL).status().code(),
            Code::kAlreadyExists);
  EXPECT_EQ(directory->OpenFile("missing", O_RDONLY).status().code(), Code::kNotFound);
}

TEST_F(FilesTest, NeverLeavesTheFolder) {
  std::filesystem::create_symlink("../secret", folder_ + "/inside/link");
  std::filesystem::create_directory_symlink("..", folder_ + "/inside/up");
  const auto directory = Directory::Open(folder_ + "/inside", false);
  ASSERT_TRUE(directory.ok());
  for (const std::string& name :
       {std::string("../secret"), std::string("deep/../../secret"), std::string("/etc/passwd"),
        std::string("link"), std::string("up/secret"), std::string(""),
        std::string("deep/file\0x", 11)}) {
    const auto file = directory->OpenFile(name, O_RDONLY);
    EXPECT_EQ(file.status().reason(), "path_escapes") << name;
  }
}

TEST_F(FilesTest, ReadsUpToALimit) {
  EXPECT_EQ(*ReadFile(folder_ + "/secret", 7), "outside");
  EXPECT_EQ(ReadFile(folder_ + "/secret", 6).status().reason(), "file_too_large");
  EXPECT_EQ(ReadFile(folder_ + "/none", 6).status().code(), Code::kNotFound);
}

TEST_F(FilesTest, ReplacesAFileWholeAndLeavesNothingElse) {
  const std::string path = folder_ + "/inside/deep/file";
  EXPECT_TRUE(WriteFileAtomically(path, std::string(1'000'000, 'n')).ok());
  EXPECT_EQ(ReadFile(path, 1 << 20)->size(), 1'000'000U);
  EXPECT_FALSE(WriteFileAtomically(folder_ + "/none/file", "x").ok());
  EXPECT_FALSE(WriteFileAtomically(folder_ + "/inside", "x").ok());  // a folder is in the way
  size_t entries = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder_)) ++entries;
  EXPECT_EQ(entries, 2U);
}

TEST_F(FilesTest, MakesParentsAndRefusesAFileInTheWay) {
  EXPECT_TRUE(Directory::Open(folder_ + "/a/b/c", true).ok());
  EXPECT_TRUE(CreateDirectories(folder_ + "/a/b/c").ok());
  EXPECT_FALSE(CreateDirectories(folder_ + "/secret").ok());
  EXPECT_FALSE(CreateDirectories(folder_ + "/secret/below").ok());
}

}  // namespace
}  // namespace slipway::base
