// SPDX-License-Identifier: Apache-2.0
// WandbRun: what the records of a run-*.wandb file say together.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "tracking/import.h"

namespace slipway::transfer {

struct WandbFile {
  std::string path;  // in the artifact
  std::string md5;   // base 64
  std::string local_path;
};
struct WandbArtifact {
  std::string name;
  std::string type;  // "model": becomes a version of the model `name`
  std::string description;
  std::vector<std::string> aliases;
  std::vector<WandbFile> files;
};

struct WandbRun {
  // Its id is made of wandb's; config is its parameters, history its metrics by wandb's step.
  tracking::FullRun run;
  std::string project;
  std::vector<WandbArtifact> artifacts;
  int64_t records = 0;
  int64_t damaged_blocks = 0;
  bool cut_off = false;
};

// kInvalidArgument (no_wandb_file; reason "no_run": no record names the run).
base::Result<WandbRun> ReadWandbRun(std::string_view bytes);

}  // namespace slipway::transfer
