// SPDX-License-Identifier: Apache-2.0
// ResponseCache: answers by what was asked, the least recently used ones forgotten. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "inference/tensor.h"

namespace slipway::inference::pool {

class ResponseCache {
 public:
  explicit ResponseCache(int64_t limit_bytes);
  // SHA-256 over the model (a number never given twice in a process) and all that its answer
  // depends on.
  static std::string KeyOf(uint64_t model, const Request& request);
  std::optional<Response> Find(const std::string& key);
  // Keeps a copy of its own, unless it alone would take more than a shard.
  void Put(const std::string& key, const Response& response);
  [[nodiscard]] int64_t bytes() const;

 private:
  static constexpr size_t kShards = 16;
  struct Entry {
    std::string key;
    Response response;
    int64_t bytes = 0;
  };
  struct Shard {
    mutable std::mutex mutex;
    std::list<Entry> entries;  // the most recently used first
    std::unordered_map<std::string_view, std::list<Entry>::iterator> by_key;  // views into entries
    int64_t bytes = 0;
  };
  Shard& ShardOf(const std::string& key) const;

  const int64_t shard_limit_bytes_;
  const std::unique_ptr<Shard[]> shards_;
};

}  // namespace slipway::inference::pool
