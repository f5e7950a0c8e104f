// SPDX-License-Identifier: Apache-2.0
// One file of another store into a blob, once, and read back.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "base/status.h"
#include "storage/blobs.h"
#include "transfer/files.h"

namespace slipway::transfer {

struct Copied {
  bool added = false;  // else the blob was there
  bool equal = false;  // what was read back has the SHA-256 of what is there
  int64_t size_bytes = 0;
};
// `see`, when set, gets the source's bytes as they are read.
base::Result<Copied> CopyOnce(SourceFiles& files, const std::string& location,
                              const std::string& path, storage::Blobs& blobs,
                              const std::string& key,
                              const std::function<void(std::span<const char>)>& see = {});

}  // namespace slipway::transfer
