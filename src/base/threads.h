// SPDX-License-Identifier: Apache-2.0
// ThreadPool: a fixed number of threads over one bounded queue.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "base/status.h"

namespace slipway::base {

// Cores that this process may use, at least 1.
size_t UsableCores();

class ThreadPool {
 public:
  // `name` is the threads' name (<= 11 characters); `queue_limit` tasks may wait. `nice`, as
  // nice(2): how far its threads, and those that they start, stand back when cores are short.
  ThreadPool(std::string name, size_t threads, size_t queue_limit, int nice = 0);
  ~ThreadPool();  // Stop()
  // kResourceExhausted (reason "queue_full") when the queue is full; kUnavailable once stopped.
  // Never blocks.
  Status Submit(std::function<void()> task);
  // Runs what is queued, then joins; a task may end its own pool, whose thread then ends by itself
  // after the task. Idempotent.
  void Stop();
  size_t QueueLength() const;

 private:
  struct State;
  std::shared_ptr<State> state_;  // also of a thread that ended its own pool
};

}  // namespace slipway::base
