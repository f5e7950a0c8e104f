// SPDX-License-Identifier: Apache-2.0
// AnswerCache: answers to GET requests in memory, each true until a commit changes a table of the
// room it was read from. Keeps nothing where other processes write to the database, too.
// Thread-safe; quick enough for an I/O thread.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "storage/database.h"

namespace slipway::api::mlflow {

class AnswerCache {
 public:
  explicit AnswerCache(storage::Database& database) : database_(database) {}

  // The body kept for `target` (path and query as sent), unless `room` changed since it was read.
  std::shared_ptr<const std::string> Find(std::string_view room, std::string_view target);
  // To be taken before an answer is read; what is kept with it is right as long as it stays.
  std::optional<uint64_t> ChangesOf(std::string_view room) { return database_.ChangesOf(room); }
  void Keep(std::string_view target, std::optional<uint64_t> changes, const std::string& body);

 private:
  struct Entry {
    uint64_t changes = 0;
    std::shared_ptr<const std::string> body;
  };
  struct HashText {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  storage::Database& database_;
  std::mutex mutex_;
  std::unordered_map<std::string, Entry, HashText, std::equal_to<>> entries_;
  size_t bytes_ = 0;
};

}  // namespace slipway::api::mlflow
