// SPDX-License-Identifier: Apache-2.0
// After a change was committed: who waits for events goes on.
#include "events/woken_thread.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

#include "events/events.h"

namespace slipway::events {
namespace {

constexpr std::chrono::seconds kInterval{1};

}  // namespace

WokenThread::WokenThread(EventLog& events, std::function<void()> step)
    : events_(events), step_(std::move(step)) {}

WokenThread::~WokenThread() { Stop(); }

void WokenThread::Start() {
  subscription_ = events_.Subscribe([this](int64_t) { Wake(); });
  thread_ = std::thread([this] { Run(); });
}

void WokenThread::Stop() {
  if (!thread_.joinable()) return;
  events_.Unsubscribe(subscription_);
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_one();
  }
  thread_.join();
}

void WokenThread::Wake() {
  const std::lock_guard lock(mutex_);
  woken_ = true;
  changed_.notify_one();
}

bool WokenThread::stopping() const {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

void WokenThread::Run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    changed_.wait_for(lock, kInterval, [this] { return woken_ || stopping_; });
    if (stopping_) return;
    woken_ = false;
    lock.unlock();
    step_();
    lock.lock();
  }
}

}  // namespace slipway::events
