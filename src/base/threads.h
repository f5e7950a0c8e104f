// SPDX-License-Identifier: Apache-2.0
// ThreadPool: a fixed number of threads over one bounded queue.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "base/status.h"

namespace slipway::base {

class ThreadPool {
 public:
  // `name` is the threads' name (<= 11 characters); `queue_limit` tasks may wait.
  ThreadPool(std::string name, size_t threads, size_t queue_limit);
  ~ThreadPool();  // Stop()
  // kResourceExhausted (reason "queue_full") when the queue is full; kUnavailable once stopped.
  // Never blocks.
  Status Submit(std::function<void()> task);
  // Runs what is queued, then joins. Idempotent.
  void Stop();
  size_t QueueLength() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace slipway::base
