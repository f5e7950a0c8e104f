// SPDX-License-Identifier: Apache-2.0
// A prediction that was asked before, and those that the next version is warmed up with.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "inference/pool/batch.h"
#include "inference/pool/batched_model.h"
#include "inference/pool/response_cache.h"
#include "inference/tensor.h"

namespace slipway::inference::pool {

// A few requests, spread over time: the next version is warmed up with them.
void BatchedModel::Remember(const Request& request) {
  constexpr uint64_t kEvery = 64;
  constexpr size_t kMostBytes = 1 << 20;
  const auto most = static_cast<size_t>(workers_->settings.recent_requests);
  const uint64_t seen = remembered_.fetch_add(1, std::memory_order_relaxed);
  if (most == 0 || (seen >= most && seen % kEvery != 0)) return;
  Request copy;
  size_t bytes = 0;
  for (const NamedTensor& input : request.inputs) bytes += input.tensor.bytes().size();
  if (bytes > kMostBytes) return;
  copy.outputs = request.outputs;
  copy.parameters = request.parameters;
  for (const NamedTensor& input : request.inputs)
    copy.inputs.push_back({input.name, OwnCopy(input.tensor), input.labels});
  std::lock_guard lock(recent_mutex_);
  recent_.push_front(std::move(copy));
  if (recent_.size() > most) recent_.pop_back();
}

std::vector<Request> BatchedModel::Recent() const {
  std::lock_guard lock(recent_mutex_);
  return {recent_.begin(), recent_.end()};
}

bool BatchedModel::AnswerFromCache(const Request& request, RunDone& done, int64_t now_ns) {
  std::string key = ResponseCache::KeyOf(number_, request);
  if (auto found = workers_->cache->Find(key)) {
    const int64_t total_ns = base::MonotonicNanos() - now_ns;
    counts_->CountCache(true, total_ns);
    counts_->CountAnswer(true, 0, total_ns);
    done(std::move(*found), {.cached = true});
    return true;
  }
  // The cache may outlive this model, and it this answer: both are shared.
  done = [cache = workers_->cache, counts = counts_, key = std::move(key), now_ns,
          done = std::move(done)](base::Result<Response> response, RunTiming timing) {
    if (response.ok()) {
      cache->Put(key, *response);
      counts->CountCache(false, base::MonotonicNanos() - now_ns);
    }
    done(std::move(response), timing);
  };
  return false;
}

}  // namespace slipway::inference::pool
