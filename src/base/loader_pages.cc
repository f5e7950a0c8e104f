// SPDX-License-Identifier: Apache-2.0
// After a start, and after a runtime was opened: what only that needed is given back.
#include "base/loader_pages.h"

#include <elf.h>
#include <link.h>
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace slipway::base {
namespace {

// Code that the loader wrote addresses into is nowhere else.
bool HasWrittenCode(const dl_phdr_info& info) {
  for (int i = 0; i < info.dlpi_phnum; ++i) {
    const ElfW(Phdr)& header = info.dlpi_phdr[i];
    if (header.p_type != PT_DYNAMIC) continue;
    const auto* entry = reinterpret_cast<const ElfW(Dyn)*>(info.dlpi_addr + header.p_vaddr);
    for (; entry->d_tag != DT_NULL; ++entry) {
      if (entry->d_tag == DT_TEXTREL) return true;
      if (entry->d_tag == DT_FLAGS && (entry->d_un.d_val & DF_TEXTREL) != 0) return true;
    }
  }
  return false;
}

// The loader holds its lock while this runs, so no library comes or goes; segments that may be
// written are never touched.
int ReleaseOne(dl_phdr_info* info, size_t, void* released) {
  if (std::string_view(info->dlpi_name).starts_with("linux-vdso") || HasWrittenCode(*info))
    return 0;
  constexpr uintptr_t kPage = 4096;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& header = info->dlpi_phdr[i];
    if (header.p_type != PT_LOAD || (header.p_flags & PF_W) != 0) continue;
    const uintptr_t begin = (info->dlpi_addr + header.p_vaddr + kPage - 1) / kPage * kPage;
    const uintptr_t end = (info->dlpi_addr + header.p_vaddr + header.p_memsz) / kPage * kPage;
    if (begin >= end) continue;
    if (madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED) == 0)
      *static_cast<int64_t*>(released) += static_cast<int64_t>(end - begin);
  }
  return 0;
}

}  // namespace

int64_t ReleaseLoaderPages() {
  int64_t released = 0;
  dl_iterate_phdr(&ReleaseOne, &released);
  return released;
}

}  // namespace slipway::base
