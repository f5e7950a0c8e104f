// SPDX-License-Identifier: Apache-2.0
// ModelFiles: a model's bytes and those of the weights that it keeps in other files, mapped. ONNX
// Runtime is given these and opens no file itself: what was checked is what is read, whoever
// changes the folder meanwhile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/status.h"

namespace slipway::inference::onnx {

// A file mapped for reading.
class Mapping {
 public:
  Mapping() = default;  // of nothing
  // An empty file is mapped as no bytes. kInvalidArgument (reason "bad_model"): not a regular file.
  static base::Result<Mapping> Of(const base::FileHandle& file, const std::string& name);
  ~Mapping();
  Mapping(Mapping&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  [[nodiscard]] std::span<const std::byte> bytes() const {
    return {static_cast<const std::byte*>(data_), size_};
  }

 private:
  Mapping(void* data, size_t size) : data_(data), size_(size) {}

  void* data_ = nullptr;
  size_t size_ = 0;
};

struct ModelFiles {
  struct External {
    std::string location;  // as the model writes it
    Mapping mapping;
  };
  Mapping model;
  std::vector<External> external;

  [[nodiscard]] int64_t size_bytes() const;

  // kInvalidArgument, reason "bad_model" (not an ONNX file, a file missing) or
  // "external_data_escapes" (a location that is absolute, goes up, passes a symbolic link, or is
  // ONNX Runtime's marker for data in memory).
  static base::Result<ModelFiles> Open(const std::string& path);
};

}  // namespace slipway::inference::onnx
