// SPDX-License-Identifier: Apache-2.0
// Loading a version: what passed its probe before need not pass it again.
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/files.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/status.h"
#include "inference/model_pool.h"
#include "inference/probe.h"
#include "inference/runtime.h"

namespace slipway::inference {
namespace {

constexpr size_t kMostFiles = 1000;         // of a model; one with more is probed each time
constexpr size_t kMostRemembered = 20'000;  // past it nothing more is kept

// With its length, so that two fields never read like one.
void Add(base::Sha256& hash, std::string_view field) {
  hash.Update(std::to_string(field.size()) + ":");
  hash.Update(field);
}

void AddStatus(base::Sha256& hash, const struct stat& status) {
  const auto add = [&hash](auto number) { Add(hash, std::to_string(number)); };
  add(status.st_dev);
  add(status.st_ino);
  add(status.st_size);
  // Nobody can set the change time, unlike the one of modification.
  add(status.st_ctim.tv_sec);
  add(status.st_ctim.tv_nsec);
}

// One of the model's files or folders. False: it is neither.
bool AddFile(base::Sha256& hash, const std::filesystem::path& path) {
  struct stat status{};
  if (lstat(path.c_str(), &status) != 0) return false;
  if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) return false;
  Add(hash, path.string());
  if (S_ISREG(status.st_mode)) AddStatus(hash, status);
  return true;
}

// What opens the model: this binary, or the runtime's library.
bool AddProgram(base::Sha256& hash, const std::string& path) {
  struct stat status{};
  if (stat(path.c_str(), &status) != 0) return false;
  AddStatus(hash, status);
  return true;
}

// Nothing: these files cannot be told from others for sure.
std::optional<std::string> NameOf(const ModelSource& source, const Runtime& runtime) {
  base::Sha256 hash;
  for (const std::string& field : {source.runtime, source.path, runtime.Version()})
    Add(hash, field);
  if (!AddProgram(hash, "/proc/self/exe")) return std::nullopt;
  if (!runtime.library().empty() && !AddProgram(hash, runtime.library())) return std::nullopt;
  for (const auto& settings : {runtime.probe_settings(), source.config.parameters}) {
    Add(hash, std::to_string(settings.size()));
    for (const auto& [name, value] : settings) {
      Add(hash, name);
      Add(hash, value);
    }
  }
  const std::filesystem::path folder = source.folder.empty()
                                           ? std::filesystem::path(source.path).parent_path()
                                           : std::filesystem::path(source.folder);
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    if (files.size() >= kMostFiles) return std::nullopt;
    files.push_back(at->path());
  }
  if (error || files.empty()) return std::nullopt;
  std::ranges::sort(files);
  for (const auto& file : files) {
    if (!AddFile(hash, file)) return std::nullopt;
  }
  return hash.FinishHex();
}

bool IsFull(const std::string& folder) {
  std::error_code error;
  size_t count = 0;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    if (++count >= kMostRemembered) return true;
  }
  return false;
}

void Remember(const std::string& folder, const std::string& name) {
  // Forgotten in a power cut: the model is probed again.
  const auto directory = base::Directory::Open(folder, true);
  if (!directory.ok() || IsFull(folder)) return;
  const auto file = directory->OpenFile(name, O_WRONLY | O_CREAT | O_CLOEXEC);
  if (!file.ok()) {
    base::Log(base::LogLevel::kWarning, "inference", "a passed probe cannot be remembered",
              {{"why", file.status().message()}});
  }
}

}  // namespace

Prober RememberPassed(Prober probe, std::string folder) {
  return [probe = std::move(probe), folder = std::move(folder)](
             const ModelSource& source, const Runtime& runtime) -> base::Status {
    const auto name = NameOf(source, runtime);
    struct stat status{};
    if (name && lstat((folder + "/" + *name).c_str(), &status) == 0) return base::Status::Ok();
    TRY(probe(source, runtime));
    // Of the files as they were before the probe: one that changed meanwhile has another name.
    if (name) Remember(folder, *name);
    return base::Status::Ok();
  };
}

}  // namespace slipway::inference
