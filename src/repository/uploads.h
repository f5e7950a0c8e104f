// SPDX-License-Identifier: Apache-2.0
// Uploads: the files that callers send along with a load, each load in a folder of its own below
// the data folder. Private to the room.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>

#include "base/status.h"

namespace slipway::repository {

class Uploads {
 public:
  Uploads(std::string folder, int64_t max_bytes);
  // Removes what an earlier process left.
  base::Status Start();
  // A folder with these files ("1/model.onnx" -> bytes; a "file:" before the path is taken off):
  // all of them, or none. Every path stays below the folder.
  base::Result<std::string> Store(const std::map<std::string, std::string>& files);
  void Remove(const std::string& stored);

 private:
  const std::string folder_;
  const int64_t max_bytes_;
  std::atomic<int64_t> next_{1};
};

}  // namespace slipway::repository
