// SPDX-License-Identifier: Apache-2.0
// Folders of models, read by their names.
#include "repository/layout.h"

#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <system_error>
#include <utility>

#include "repository/model_repository.h"
#include "traffic/version_loader.h"

namespace slipway::repository {

using base::Result;

namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxEntries = 100'000;  // of one folder
constexpr std::string_view kConfigName = "config.pbtxt";
constexpr size_t kSniffed = 256;

// How the files of tree libraries begin, whose endings others have too.
constexpr std::pair<std::string_view, std::string_view> kSniffedEndings[] = {
    {".json", "\"learner\""}, {".txt", "tree\n"}};

// "3" and "00000003" are 3; nothing when it is no version's name.
std::optional<int64_t> VersionOf(const std::string& name) {
  int64_t number = 0;
  const char* end = name.data() + name.size();
  const auto read = std::from_chars(name.data(), end, number);
  if (read.ec != std::errc() || read.ptr != end || number < 1) return std::nullopt;
  return number;
}

bool IsHidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

std::vector<fs::path> EntriesOf(const fs::path& folder, std::error_code& error) {
  std::vector<fs::path> entries;
  for (auto it = fs::directory_iterator(folder, error);
       !error && it != fs::directory_iterator() && entries.size() < kMaxEntries;
       it.increment(error)) {
    if (!IsHidden(it->path())) entries.push_back(it->path());
  }
  std::ranges::sort(entries);
  return entries;
}

std::map<int64_t, std::string> NumberedFolders(const fs::path& folder) {
  std::error_code error;
  std::map<int64_t, std::string> versions;
  for (const fs::path& entry : EntriesOf(folder, error)) {
    const auto number = VersionOf(entry.filename().string());
    if (number && fs::is_directory(entry, error)) versions[*number] = entry.string();
  }
  return versions;
}

std::string HeadOf(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::string head(kSniffed, '\0');
  stream.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<size_t>(stream.gcount()));
  return head;
}

// One file that is a model by itself, and not notes or settings beside others.
bool IsSingleModel(const fs::path& file) {
  if (!traffic::ChooseModelFile(file.string()).ok()) return false;
  for (const auto& [ending, mark] : kSniffedEndings) {
    if (file.extension() == ending) return HeadOf(file).find(mark) != std::string::npos;
  }
  return true;
}

// A folder that is a model by itself, without numbers.
bool IsModelFolder(const fs::path& folder) {
  std::error_code error;
  for (const fs::path& entry : EntriesOf(folder, error)) {
    const std::string name = entry.filename().string();
    if (!fs::is_regular_file(entry, error)) continue;
    if (name == "MLmodel" || name == kConfigName || name == "ensemble.yaml") return true;
    if (name == "saved_model.pb" || name == "model.py" || name == "model-settings.json")
      return true;
    if (IsSingleModel(entry)) return true;
  }
  return false;
}

// A model's folder: numbered versions, or itself its only one.
std::optional<FoundModel> ModelIn(const std::string& name, const fs::path& folder) {
  std::error_code error;
  FoundModel model;
  model.name = name;
  model.folder = folder.string();
  if (fs::is_regular_file(folder / kConfigName, error))
    model.config_path = (folder / kConfigName).string();
  model.versions = NumberedFolders(folder);
  if (model.versions.empty()) {
    if (!IsModelFolder(folder)) return std::nullopt;
    model.versions[1] = folder.string();
  }
  return model;
}

std::optional<FoundModel> SingleFile(const fs::path& file) {
  if (!IsSingleModel(file)) return std::nullopt;
  FoundModel model;
  model.name = file.stem().string();
  model.folder = file.string();
  model.versions[1] = file.string();
  return model;
}

// DIR is one model itself: only numbered folders in it (TF Serving), or an MLmodel file (MLflow).
bool IsOneModel(const fs::path& folder) {
  std::error_code error;
  if (fs::is_regular_file(folder / "MLmodel", error)) return true;
  bool numbered = false;
  for (const fs::path& entry : EntriesOf(folder, error)) {
    if (!fs::is_directory(entry, error)) continue;
    if (!VersionOf(entry.filename().string())) return false;
    numbered = true;
  }
  return numbered;
}

void AppendStat(const fs::path& path, const std::string& name, std::string& out) {
  struct stat facts{};
  if (stat(path.c_str(), &facts) != 0) return;
  out += name + ":" + std::to_string(facts.st_ino) + ":" + std::to_string(facts.st_size) + ":" +
         std::to_string(facts.st_mtim.tv_sec) + "." + std::to_string(facts.st_mtim.tv_nsec) + ";";
}

}  // namespace

Result<std::vector<FoundModel>> FindModels(const std::string& path) {
  const fs::path folder = fs::path(path).lexically_normal();
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    return base::NotFound("folder_not_found", "\"" + path + "\" is not a folder");
  }
  std::vector<FoundModel> models;
  if (IsOneModel(folder)) {
    const fs::path named = folder.has_filename() ? folder : folder.parent_path();
    if (auto model = ModelIn(named.filename().string(), folder))
      models.push_back(std::move(*model));
    return models;
  }
  for (const fs::path& entry : EntriesOf(folder, error)) {
    if (models.size() >= kMaxModels) break;
    auto model = fs::is_directory(entry, error) ? ModelIn(entry.filename().string(), entry)
                                                : SingleFile(entry);
    const bool taken =
        model && std::ranges::find(models, model->name, &FoundModel::name) != models.end();
    if (model && !taken) models.push_back(std::move(*model));
  }
  if (error) return base::Internal("folder_unreadable", "\"" + path + "\": " + error.message());
  std::ranges::sort(models, {}, &FoundModel::name);
  return models;
}

Result<FoundModel> FindModelIn(const std::string& name, const std::string& folder) {
  if (auto model = ModelIn(name, folder)) return std::move(*model);
  return base::FailedPrecondition("no_model_file",
                                  "\"" + folder + "\" has neither numbered versions nor a model");
}

std::vector<int64_t> WantedVersions(const std::map<int64_t, std::string>& versions,
                                    const VersionPolicy& policy) {
  std::vector<int64_t> wanted;
  for (const auto& [number, path] : versions) {
    if (policy.kind != VersionPolicy::Kind::kSpecific ||
        std::ranges::find(policy.specific, number) != policy.specific.end())
      wanted.push_back(number);
  }
  const size_t most = policy.kind == VersionPolicy::Kind::kLatest
                          ? static_cast<size_t>(policy.latest)
                          : kMaxVersionsLoaded;
  if (wanted.size() > most) wanted.erase(wanted.begin(), wanted.end() - static_cast<long>(most));
  return wanted;
}

std::string SignatureOf(const std::string& path) {
  std::error_code error;
  std::string signature;
  AppendStat(path, ".", signature);
  if (!fs::is_directory(path, error)) return signature;
  std::vector<fs::path> files;
  for (auto it = fs::recursive_directory_iterator(path, error);
       !error && it != fs::recursive_directory_iterator() && files.size() < kMaxEntries;
       it.increment(error)) {
    files.push_back(it->path());
  }
  std::ranges::sort(files);
  for (const fs::path& file : files) AppendStat(file, file.string(), signature);
  return signature;
}

}  // namespace slipway::repository
