// SPDX-License-Identifier: Apache-2.0
// What a folder of models holds, in the layouts of Triton, TF Serving and MLflow, or as single
// files. Reads names only, never a model. Private to the room.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/status.h"
#include "repository/triton_config.h"

namespace slipway::repository {

struct FoundModel {
  std::string name;
  std::string folder;                       // of the model; of a single file: the file
  std::string config_path;                  // config.pbtxt; empty: there is none
  std::map<int64_t, std::string> versions;  // number -> folder or file
};

// By name. kNotFound / kInternal when the folder cannot be read; a folder below it that is no model
// is passed over.
base::Result<std::vector<FoundModel>> FindModels(const std::string& folder);
// The same for one model's own folder.
base::Result<FoundModel> FindModelIn(const std::string& name, const std::string& folder);

// Which of the versions the policy wants, rising.
std::vector<int64_t> WantedVersions(const std::map<int64_t, std::string>& versions,
                                    const VersionPolicy& policy);

// Changes when a file below `path` (or `path` itself) is written, renamed, added or removed: names,
// sizes, times and inodes. Empty when there is nothing.
std::string SignatureOf(const std::string& path);

}  // namespace slipway::repository
