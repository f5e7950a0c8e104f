// SPDX-License-Identifier: Apache-2.0
// Walk of a version, step "retrain": whether a step has to run at all.
#include "pipelines/step_cache.h"

#include <glob.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <ios>
#include <map>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/json.h"
#include "base/status.h"
#include "pipelines/spec.h"
#include "pipelines/step_run.h"

namespace slipway::pipelines {

using base::Json;
using base::Result;

namespace {

namespace fs = std::filesystem;

constexpr int kKeyVersion = 1;
constexpr size_t kBlockBytes = 1 << 16;

Result<std::string> HashFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return base::NotFound("no_such_file", path + " cannot be read");
  base::Sha256 hash;
  std::vector<char> block(kBlockBytes);
  while (file.read(block.data(), static_cast<std::streamsize>(block.size())) || file.gcount() > 0) {
    hash.Update(std::string_view(block.data(), static_cast<size_t>(file.gcount())));
  }
  return hash.FinishHex();
}

Result<std::set<std::string>> Matches(const std::string& pattern, const std::string& folder) {
  const std::string whole = (fs::path(folder.empty() ? "." : folder) / pattern).string();
  glob_t found{};
  const int status = glob(whole.c_str(), 0, nullptr, &found);
  std::set<std::string> files;
  std::error_code error;
  for (size_t i = 0; status == 0 && i < found.gl_pathc; ++i) {
    if (fs::is_regular_file(found.gl_pathv[i], error)) files.insert(found.gl_pathv[i]);
  }
  globfree(&found);
  if (files.empty())
    return base::FailedPrecondition("no_input", "inputs: no file matches \"" + whole + "\"");
  if (files.size() > kMaxInputFiles) {
    return base::ResourceExhausted(
        "too_many_inputs",
        "inputs: \"" + whole + "\" matches more than " + std::to_string(kMaxInputFiles) + " files");
  }
  return files;
}

Result<Json> InputHashes(const StepSpec& step, const std::string& folder) {
  Json hashes = Json::MakeArray();
  for (const std::string& pattern : step.inputs) {
    for (const std::string& path : TRY(Matches(pattern, folder))) {
      const std::string relative =
          fs::path(path).lexically_relative(folder.empty() ? "." : folder).string();
      hashes.Append(Json::MakeArray({relative, TRY(HashFile(path))}));
    }
  }
  return hashes;
}

template <typename Map>
Json MapJson(const Map& map) {
  Json object = Json::MakeObject();
  for (const auto& [key, value] : map) object.Set(key, value);
  return object;
}

// What the step's needs left: their outputs and the files that they declared.
Result<Json> UpstreamHashes(const StepJob& job, const std::string& work_folder) {
  Json upstream = Json::MakeArray();
  for (const StepSpec& step : job.spec.steps) {
    const std::vector<std::string>& needs = job.spec.steps[job.step].needs;
    if (std::find(needs.begin(), needs.end(), step.name) == needs.end()) continue;
    const auto outputs = job.outputs.find(step.name);
    upstream.Append(Json::MakeArray(
        {step.name, outputs == job.outputs.end() ? Json() : MapJson(outputs->second),
         MapJson(TRY(HashOutputs(step, work_folder)))}));
  }
  return upstream;
}

}  // namespace

Result<std::string> CacheKey(const StepJob& job, const std::string& work_folder) {
  const StepSpec& step = job.spec.steps[job.step];
  Json argv = Json::MakeArray();
  for (const std::string& argument : step.run) argv.Append(argument);
  Json key = Json::MakeObject({{"version", kKeyVersion},
                               {"pipeline", job.spec.name},
                               {"step", step.name},
                               {"folder", job.spec.folder},
                               {"run", std::move(argv)},
                               {"env", Json::MakeArray({MapJson(job.spec.env), MapJson(step.env)})},
                               {"parameters", MapJson(job.parameters)},
                               {"inputs", TRY(InputHashes(step, job.spec.folder))},
                               {"upstream", TRY(UpstreamHashes(job, work_folder))}});
  return base::Sha256Hex(key.Dump());
}

Result<std::map<std::string, std::string>> HashOutputs(const StepSpec& step,
                                                       const std::string& work_folder) {
  std::map<std::string, std::string> hashes;
  for (const std::string& name : step.outputs) {
    std::error_code error;
    const std::string path = (fs::path(work_folder) / name).string();
    if (!fs::is_regular_file(path, error)) {
      return base::FailedPrecondition("no_output", "step \"" + step.name + "\" did not leave \"" +
                                                       name + "\" in $SLIPWAY_RUN_FOLDER");
    }
    hashes[name] = TRY(HashFile(path));
  }
  return hashes;
}

bool CopyOutputs(const CacheEntry& entry, const std::string& from_folder,
                 const std::string& to_folder) {
  for (const auto& [name, hash] : entry.files) {
    const fs::path from = fs::path(from_folder) / name;
    const fs::path to = fs::path(to_folder) / name;
    std::error_code error;
    fs::create_directories(to.parent_path(), error);
    if (from != to) fs::copy_file(from, to, fs::copy_options::overwrite_existing, error);
    const auto copied = HashFile(to.string());
    if (error || !copied.ok() || *copied != hash) return false;
  }
  return true;
}

}  // namespace slipway::pipelines
