// SPDX-License-Identifier: Apache-2.0
// ThreadPool: where blocking work of every walk runs, off the I/O threads.
#include "base/threads.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace slipway::base {

struct ThreadPool::State {
  std::string name;
  size_t queue_limit = 0;
  int nice = 0;
  mutable std::mutex mutex;
  std::condition_variable wake;
  std::deque<std::function<void()>> queue;
  bool stopping = false;
  std::vector<std::thread> threads;

  void Run() {
    pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
    // On Linux the priority is the thread's own. To stand back is always allowed.
    if (nice > 0) (void)setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), nice);
    std::unique_lock lock(mutex);
    while (true) {
      wake.wait(lock, [&] { return stopping || !queue.empty(); });
      if (queue.empty()) return;
      std::function<void()> task = std::move(queue.front());
      queue.pop_front();
      lock.unlock();
      task();
      task = nullptr;  // what it holds is let go before the lock is taken again
      lock.lock();
    }
  }
};

size_t UsableCores() {
  cpu_set_t cores;
  if (sched_getaffinity(0, sizeof(cores), &cores) == 0)
    return std::max<size_t>(1, static_cast<size_t>(CPU_COUNT(&cores)));
  return std::max(1U, std::thread::hardware_concurrency());
}

ThreadPool::ThreadPool(std::string name, size_t threads, size_t queue_limit, int nice)
    : state_(std::make_shared<State>()) {
  CHECK(threads > 0, "a pool needs a thread");
  state_->name = std::move(name);
  state_->queue_limit = queue_limit;
  state_->nice = nice;
  for (size_t i = 0; i < threads; ++i)
    state_->threads.emplace_back([state = state_] { state->Run(); });
}

ThreadPool::~ThreadPool() { Stop(); }

Status ThreadPool::Submit(std::function<void()> task) {
  {
    std::lock_guard lock(state_->mutex);
    if (state_->stopping)
      return Unavailable("pool_stopped", "the " + state_->name + " pool is stopping");
    if (state_->queue.size() >= state_->queue_limit) {
      return ResourceExhausted("queue_full", "the " + state_->name + " pool already has " +
                                                 std::to_string(state_->queue_limit) +
                                                 " tasks waiting");
    }
    state_->queue.push_back(std::move(task));
  }
  state_->wake.notify_one();
  return Status::Ok();
}

void ThreadPool::Stop() {
  std::vector<std::thread> threads;
  {
    std::lock_guard lock(state_->mutex);
    state_->stopping = true;
    threads.swap(state_->threads);
  }
  state_->wake.notify_all();
  for (std::thread& thread : threads) {
    if (thread.get_id() == std::this_thread::get_id()) {
      thread.detach();
    } else {
      thread.join();
    }
  }
}

size_t ThreadPool::QueueLength() const {
  std::lock_guard lock(state_->mutex);
  return state_->queue.size();
}

}  // namespace slipway::base
