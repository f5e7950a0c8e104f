// SPDX-License-Identifier: Apache-2.0
// The short way of MLflow's protocol: what was answered before and has not changed is not read
// again.
#include "api/mlflow/answer_cache.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace slipway::api::mlflow {
namespace {

constexpr size_t kMostBytes = 8 << 20;    // in all; then it begins anew
constexpr size_t kMostOfOne = 256 << 10;  // of one answer
constexpr size_t kMostTarget = 1024;

}  // namespace

std::shared_ptr<const std::string> AnswerCache::Find(std::string_view room,
                                                     std::string_view target) {
  const std::optional<uint64_t> changes = database_.ChangesOf(room);
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(target);
  if (found == entries_.end() || found->second.changes != changes) return nullptr;
  return found->second.body;
}

void AnswerCache::Keep(std::string_view target, std::optional<uint64_t> changes,
                       const std::string& body) {
  if (!changes || body.size() > kMostOfOne || target.size() > kMostTarget) return;
  const std::lock_guard lock(mutex_);
  if (bytes_ > kMostBytes) {
    entries_.clear();
    bytes_ = 0;
  }
  Entry& entry = entries_[std::string(target)];
  bytes_ -= entry.body ? entry.body->size() : 0;
  bytes_ += body.size() + (entry.body ? 0 : target.size());
  entry = {*changes, std::make_shared<const std::string>(body)};
}

}  // namespace slipway::api::mlflow
