// SPDX-License-Identifier: Apache-2.0
// A prediction by a Python model: where its tensors lie.
#include "inference/python/segment.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>

namespace slipway::inference::python {
namespace {

constexpr size_t kLeastBytes = 64 * 1024;

}  // namespace

base::Result<std::shared_ptr<Segment>> Segment::Make(uint32_t number, size_t bytes) {
  const size_t size = std::bit_ceil(std::max(bytes, kLeastBytes));
  std::shared_ptr<Segment> segment(new Segment(number));
  segment->file_ =
      base::FileHandle(memfd_create("slipway-tensors", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  const int fd = segment->file_.fd();
  if (fd < 0 || ftruncate(fd, static_cast<off_t>(size)) != 0 ||
      fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return base::FromErrno(errno, "make shared memory");
  }
  void* start = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (start == MAP_FAILED) return base::FromErrno(errno, "map shared memory");
  segment->bytes_ = {static_cast<std::byte*>(start), size};
  return segment;
}

Segment::~Segment() {
  if (!bytes_.empty()) munmap(bytes_.data(), bytes_.size());
}

}  // namespace slipway::inference::python
