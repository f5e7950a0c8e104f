// SPDX-License-Identifier: Apache-2.0
// Files of a load: checked by name and size before the first byte is written.
#include "repository/uploads.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/files.h"
#include "repository/model_repository.h"

namespace slipway::repository {

using base::Result;
using base::Status;

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "file:";
constexpr size_t kMaxPathBytes = 1024;
constexpr std::ptrdiff_t kMaxPathDepth = 16;

Status BadPath(const std::string& name, std::string why) {
  return base::InvalidArgument(name.starts_with(kPrefix) ? name : std::string(kPrefix) + name,
                               std::move(why), "bad_file_path");
}

// "file:1/model.onnx" -> "1/model.onnx".
Result<fs::path> CheckPath(const std::string& name) {
  const std::string text = name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : name;
  if (text.size() > kMaxPathBytes || text.find('\0') != std::string::npos)
    return BadPath(name.substr(0, 64), "expected a path of at most 1024 bytes");
  const fs::path path(text);
  const bool plain = std::ranges::all_of(
      path, [](const fs::path& part) { return !part.empty() && part != "." && part != ".."; });
  const auto depth = std::distance(path.begin(), path.end());
  if (path.is_absolute() || !plain || depth < 1 || depth > kMaxPathDepth) {
    return BadPath(name,
                   "expected file:<path below the model's folder>, such as file:1/model.onnx");
  }
  return path;
}

}  // namespace

Uploads::Uploads(std::string folder, int64_t max_bytes)
    : folder_(std::move(folder)), max_bytes_(max_bytes) {}

Status Uploads::Start() {
  std::error_code error;
  fs::remove_all(folder_, error);
  if (error) return base::Internal("io", "remove " + folder_ + ": " + error.message());
  return base::CreateDirectories(folder_);
}

Result<std::string> Uploads::Store(const std::map<std::string, std::string>& files) {
  if (files.size() > kMaxFiles) {
    return base::ResourceExhausted(
        "too_many_files",
        std::to_string(files.size()) + " files; at most " + std::to_string(kMaxFiles));
  }
  int64_t bytes = 0;
  std::map<fs::path, const std::string*> checked;
  for (const auto& [name, content] : files) {
    fs::path path = TRY(CheckPath(name));
    if (!checked.emplace(std::move(path), &content).second) return BadPath(name, "is there twice");
    bytes += static_cast<int64_t>(content.size());
  }
  if (bytes > max_bytes_) {
    return base::ResourceExhausted("files_too_large",
                                   std::to_string(bytes) + " bytes of files; at most " +
                                       std::to_string(max_bytes_) + " (repository.max_upload_mb)");
  }
  const std::string number = std::to_string(next_.fetch_add(1));
  const fs::path half = fs::path(folder_) / ("half-" + number);
  const fs::path whole = fs::path(folder_) / number;
  for (const auto& [path, content] : checked) {
    Status written = base::CreateDirectories((half / path).parent_path().string());
    if (written.ok()) written = base::WriteFileAtomically((half / path).string(), *content);
    if (!written.ok()) {
      Remove(half.string());
      return written;
    }
  }
  std::error_code error;
  fs::rename(half, whole, error);
  if (error) {
    Remove(half.string());
    return base::Internal("io", "rename " + half.string() + ": " + error.message());
  }
  return whole.string();
}

void Uploads::Remove(const std::string& stored) {
  std::error_code error;
  if (!stored.empty()) fs::remove_all(stored, error);
}

}  // namespace slipway::repository
