// SPDX-License-Identifier: Apache-2.0
// At start: what only the loader needed is given back.
#include "base/loader_pages.h"

#include <sys/mman.h>

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>

namespace slipway::base {
namespace {

struct Region {
  uint64_t begin = 0, end = 0;
  bool candidate = false;  // private, read-only, of a file
  int64_t resident_kb = 0;
  int64_t anonymous_kb = -1;  // changed since it was mapped (relocated): must stay; -1: not said
};

// The header line of a mapping in smaps: "7f..-7f.. r--p 00000000 08:01 1234  /path".
bool ReadHeader(const std::string& line, Region& region) {
  uint64_t begin = 0, end = 0, offset = 0, inode = 0;
  unsigned major = 0, minor = 0;
  char access[5] = {};
  if (std::sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64, &begin,
                  &end, access, &offset, &major, &minor, &inode) != 7) {
    return false;
  }
  region = {};
  region.begin = begin;
  region.end = end;
  region.candidate = inode != 0 && std::string(access) == "r--p";
  return true;
}

int64_t Release(const Region& region) {
  if (!region.candidate || region.anonymous_kb != 0 || region.resident_kb == 0) return 0;
  void* const begin = reinterpret_cast<void*>(region.begin);
  if (madvise(begin, region.end - region.begin, MADV_DONTNEED) != 0) return 0;
  return region.resident_kb * 1024;
}

}  // namespace

int64_t ReleaseLoaderPages() {
  constexpr int kMostLines = 1'000'000;
  std::ifstream smaps("/proc/self/smaps");
  std::string line;
  Region region;
  int64_t released = 0;
  for (int i = 0; i < kMostLines && std::getline(smaps, line); ++i) {
    int64_t kb = 0;
    if (std::sscanf(line.c_str(), "Rss: %" SCNd64 " kB", &kb) == 1) {
      region.resident_kb = kb;
    } else if (std::sscanf(line.c_str(), "Anonymous: %" SCNd64 " kB", &kb) == 1) {
      region.anonymous_kb = kb;
      released += Release(region);
    } else {
      ReadHeader(line, region);
    }
  }
  return released;
}

}  // namespace slipway::base
