// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <string>
#include <thread>

#include "base/loader_pages.h"

namespace slipway::base {
namespace {

constexpr size_t kBytes = 1 << 20;
// A table in the program's constants, and one that the loader and the program write.
constexpr char kConstant[kBytes] = {'c', 'o', 'n', 's', 't'};
const char* written[1024] = {kConstant, kConstant + 1, kConstant + 2};

// KiB that are resident of the mapping that holds `address`.
size_t ResidentKb(const void* address) {
  const auto at = reinterpret_cast<uintptr_t>(address);
  std::ifstream smaps("/proc/self/smaps");
  std::string line;
  bool inside = false;
  while (std::getline(smaps, line)) {
    uintptr_t begin = 0, end = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &begin, &end) == 2) inside = begin <= at && at < end;
    if (inside && line.starts_with("Rss:")) return std::stoul(line.substr(4));
  }
  return 0;
}

size_t ReadAll() {
  size_t sum = 0;
  const volatile char* bytes = kConstant;
  for (size_t i = 0; i < kBytes; i += 4096) sum += static_cast<size_t>(bytes[i]);
  return sum;
}

TEST(LoaderPages, ConstantsGoAndComeBackAsTheyWere) {
  const size_t sum = ReadAll();
  const size_t before = ResidentKb(kConstant);
  ASSERT_GE(before, kBytes / 1024);
  EXPECT_GE(ReleaseLoaderPages(), static_cast<int64_t>(kBytes));
  EXPECT_LT(ResidentKb(kConstant), before - kBytes / 2048);
  EXPECT_EQ(ReadAll(), sum);
  EXPECT_STREQ(kConstant, "const");
}

// What the loader and the program wrote is nowhere else.
TEST(LoaderPages, WhatWasWrittenStays) {
  written[1000] = kConstant + 3;
  ReleaseLoaderPages();
  EXPECT_EQ(written[0], kConstant);
  EXPECT_EQ(written[1000], kConstant + 3);
}

TEST(LoaderPages, LibrariesMayComeAndGoMeanwhile) {
  std::atomic<bool> over = false;
  std::thread opening([&over] {
    while (!over) {
      void* const library = dlopen("libcrypt.so.1", RTLD_NOW | RTLD_LOCAL);
      ASSERT_NE(library, nullptr) << dlerror();
      using Crypt = char* (*)(const char*, const char*);
      const auto crypt = reinterpret_cast<Crypt>(dlsym(library, "crypt"));
      EXPECT_NE(crypt("word", "$1$salt$"), nullptr);
      dlclose(library);
    }
  });
  for (int i = 0; i < 200; ++i) EXPECT_GT(ReleaseLoaderPages(), 0);
  over = true;
  opening.join();
}

}  // namespace
}  // namespace slipway::base
