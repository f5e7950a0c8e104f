// SPDX-License-Identifier: Apache-2.0
// A LogFolder in memory that behaves like a bad disk. Private to this room's tests.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "storage/log_folder.h"

namespace slipway::storage {

// The disk itself: it outlives the logs opened on it. Thread-safe, except the settings, which
// change between calls.
class FaultyDisk {
 public:
  // A log's view of it.
  std::unique_ptr<LogFolder> Open();

  // As after a power loss: names and bytes that were not synced are gone, of each file's unsynced
  // end a random part stays.
  void LosePower(uint32_t seed);

  // Bytes that still fit; a write past it is short, a further one fails with ENOSPC.
  int64_t room_bytes = 1 << 30;
  bool fail_sync = false;
  bool fail_truncate = false;
  std::function<void()> before_sync;  // called without the disk's lock

  int64_t syncs() const;
  std::string bytes(const std::string& name) const;
  void SetBytes(const std::string& name, const std::string& bytes);  // synced
  std::vector<std::string> names() const;

 private:
  friend class FaultyFile;
  friend class FaultyFolder;
  struct Content {
    std::string bytes;
    size_t synced = 0;  // bytes before this survive
    bool name_synced = false;
  };

  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Content>> files_;
  int64_t syncs_ = 0;
};

}  // namespace slipway::storage
