// SPDX-License-Identifier: Apache-2.0
// Loading a version: before ONNX Runtime sees a model, its files are opened, each below the
// model's folder.
#include "inference/onnx_file/model_files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/status.h"
#include "inference/onnx_file/external_data.h"

namespace slipway::inference::onnx {
namespace {

constexpr size_t kMostModelBytes = 1UL << 31;  // what protobuf can hold
constexpr size_t kMostFiles = 1000;            // of external data

base::Status NotOnnx(const std::string& why) {
  return base::InvalidArgument("model", "not an ONNX model: " + why, "bad_model");
}

base::Result<Mapping> MapModel(const base::Directory& folder, const std::string& name) {
  auto file = folder.OpenFile(name, O_RDONLY);
  if (!file.ok()) return NotOnnx(file.status().message());
  Mapping model = TRY(Mapping::Of(*file, name));
  if (model.bytes().empty()) return NotOnnx("the file is empty");
  if (model.bytes().size() > kMostModelBytes)
    return NotOnnx("larger than 2 GiB (weights go into external data)");
  return model;
}

base::Result<Mapping> MapExternal(const base::Directory& folder, const std::string& location) {
  // ONNX Runtime takes a location that begins so for an address in memory.
  const bool marker = location.starts_with("*/");
  auto file = folder.OpenFile(location, O_RDONLY);
  if (!marker && file.ok()) return Mapping::Of(*file, location);
  if (!marker && file.status().code() == base::Code::kNotFound)
    return NotOnnx("its external data '" + location + "' is missing");
  return base::InvalidArgument(
      "model", "external data '" + location + "' is not a file below the model's folder",
      "external_data_escapes");
}

}  // namespace

base::Result<Mapping> Mapping::Of(const base::FileHandle& file, const std::string& name) {
  struct stat status{};
  if (fstat(file.fd(), &status) != 0 || !S_ISREG(status.st_mode))
    return NotOnnx("'" + name + "' is not a file");
  const auto size = static_cast<size_t>(status.st_size);
  if (size == 0) return Mapping();
  void* data = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd(), 0);
  if (data == MAP_FAILED) return base::FromErrno(errno, "map '" + name + "'");
  return Mapping(data, size);
}

Mapping::~Mapping() {
  if (data_ != nullptr) munmap(data_, size_);
}

int64_t ModelFiles::size_bytes() const {
  size_t total = model.bytes().size();
  for (const External& one : external) total += one.mapping.bytes().size();
  return static_cast<int64_t>(total);
}

base::Result<ModelFiles> ModelFiles::Open(const std::string& path) {
  const std::filesystem::path file(path);
  const std::string folder_path = file.has_parent_path() ? file.parent_path().string() : ".";
  auto folder = base::Directory::Open(folder_path, false);
  if (!folder.ok()) return NotOnnx(folder.status().message());
  ModelFiles files;
  files.model = TRY(MapModel(*folder, file.filename().string()));
  for (const std::string& location : TRY(ExternalDataLocations(files.model.bytes()))) {
    if (std::ranges::find(files.external, location, &External::location) != files.external.end())
      continue;
    if (files.external.size() >= kMostFiles)
      return NotOnnx("its external data is in more than " + std::to_string(kMostFiles) + " files");
    files.external.push_back({location, TRY(MapExternal(*folder, location))});
  }
  return files;
}

}  // namespace slipway::inference::onnx
