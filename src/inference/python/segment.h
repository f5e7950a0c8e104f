// SPDX-License-Identifier: Apache-2.0
// Segment: memory that the server and one worker both map. Its size is sealed: a worker cannot
// shrink it and so crash the server that reads it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/files.h"
#include "base/status.h"

namespace slipway::inference::python {

class Segment {
 public:
  // `bytes` is rounded up to a power of two, at least 64 KiB.
  static base::Result<std::shared_ptr<Segment>> Make(uint32_t number, size_t bytes);
  ~Segment();
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;

  [[nodiscard]] uint32_t number() const { return number_; }
  [[nodiscard]] std::span<std::byte> bytes() const { return bytes_; }
  [[nodiscard]] int fd() const { return file_.fd(); }
  void CloseFile() { file_ = base::FileHandle(); }  // once the worker has it

 private:
  explicit Segment(uint32_t number) : number_(number) {}
  const uint32_t number_;
  base::FileHandle file_;
  std::span<std::byte> bytes_;
};

}  // namespace slipway::inference::python
