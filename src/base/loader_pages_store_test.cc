// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/loader_pages.h"

namespace slipway::base {
namespace {

constexpr size_t kBytes = 1 << 20;

class LoaderPages : public testing::Test {
 protected:
  void SetUp() override {
    path_ = std::string(testing::TempDir()) + "slipway-pages-" + std::to_string(getpid());
    std::ofstream(path_, std::ios::binary) << std::string(kBytes, 'a');
  }
  void TearDown() override { std::remove(path_.c_str()); }

  char* Map() {
    const int file = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    void* data = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    close(file);
    return static_cast<char*>(data);
  }
  static size_t ResidentPages(const char* data) {
    std::ifstream smaps("/proc/self/smaps");
    char begin[32];
    std::snprintf(begin, sizeof begin, "%lx-", reinterpret_cast<unsigned long>(data));
    std::string line;
    bool inside = false;
    while (std::getline(smaps, line)) {
      if (line.starts_with(begin)) inside = true;
      if (inside && line.starts_with("Rss:")) return std::stoul(line.substr(4)) / 4;
    }
    return 0;
  }

  std::string path_;
};

TEST_F(LoaderPages, UnchangedPagesGoAndComeBackAsTheyWere) {
  char* data = Map();
  mprotect(data, kBytes, PROT_READ);
  size_t sum = 0;
  for (size_t i = 0; i < kBytes; i += 4096) sum += static_cast<size_t>(data[i]);
  ASSERT_GE(ResidentPages(data), kBytes / 4096);
  EXPECT_GE(ReleaseLoaderPages(), static_cast<int64_t>(kBytes));
  EXPECT_EQ(ResidentPages(data), 0U);
  for (size_t i = 0; i < kBytes; i += 4096) sum -= static_cast<size_t>(data[i]);
  EXPECT_EQ(sum, 0U);
  munmap(data, kBytes);
}

// What the loader wrote into a library (its relocated tables) is nowhere else.
TEST_F(LoaderPages, PagesThatWereChangedStay) {
  char* data = Map();
  data[4096] = 'b';
  mprotect(data, kBytes, PROT_READ);
  ReleaseLoaderPages();
  EXPECT_EQ(data[4096], 'b');
  EXPECT_EQ(data[0], 'a');
  munmap(data, kBytes);
}

}  // namespace
}  // namespace slipway::base
