// SPDX-License-Identifier: Apache-2.0
// A prediction that waits for company: when is it enough?
#include "inference/pool/timer.h"

#include <pthread.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "base/clock.h"

namespace slipway::inference::pool {

struct Timer::State {
  std::mutex mutex;
  std::condition_variable change;
  std::multimap<int64_t, std::function<void()>> calls;
  bool stopped = false;
  std::thread thread;

  void Run() {
    pthread_setname_np(pthread_self(), "inference-time");
    std::unique_lock lock(mutex);
    while (!stopped || !calls.empty()) {
      if (calls.empty()) {
        change.wait(lock);
        continue;
      }
      const int64_t left_ns = calls.begin()->first - base::MonotonicNanos();
      if (!stopped && left_ns > 0) {
        change.wait_for(lock, std::chrono::nanoseconds(left_ns));
        continue;
      }
      std::function<void()> call = std::move(calls.begin()->second);
      calls.erase(calls.begin());
      lock.unlock();
      call();
      call = nullptr;
      lock.lock();
    }
  }
};

Timer::Timer() : state_(std::make_shared<State>()) {}
Timer::~Timer() { Stop(); }

void Timer::At(int64_t when_ns, std::function<void()> call) {
  {
    std::lock_guard lock(state_->mutex);
    if (!state_->stopped) {
      state_->calls.emplace(when_ns, std::move(call));
      if (!state_->thread.joinable())
        state_->thread = std::thread([state = state_] { state->Run(); });
      state_->change.notify_one();
      return;
    }
  }
  call();
}

void Timer::Stop() {
  std::thread thread;
  {
    std::lock_guard lock(state_->mutex);
    state_->stopped = true;
    thread.swap(state_->thread);
    state_->change.notify_one();
  }
  if (!thread.joinable()) return;
  if (thread.get_id() == std::this_thread::get_id()) {
    thread.detach();
  } else {
    thread.join();
  }
}

}  // namespace slipway::inference::pool
