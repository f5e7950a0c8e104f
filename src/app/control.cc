// SPDX-License-Identifier: Apache-2.0
// The heartbeat of everything that happens by itself.
#include "app/control.h"

#include <chrono>

#include "base/log.h"

namespace slipway::app {
namespace {

constexpr auto kInterval = std::chrono::seconds(1);
constexpr int kMostRounds = 100;  // of one wake: what is left is for the next

}  // namespace

ControlLoop::ControlLoop(base::Clock& clock, events::EventLog& events,
                         std::vector<Controller> controllers)
    : clock_(clock), events_(events), controllers_(std::move(controllers)) {}

ControlLoop::~ControlLoop() { Stop(); }

void ControlLoop::Start() {
  subscription_ = events_.Subscribe([this](int64_t) {
    const std::lock_guard lock(mutex_);
    woken_ = true;
    changed_.notify_one();
  });
  thread_ = std::thread([this] { Run(); });
}

void ControlLoop::Stop() {
  if (!thread_.joinable()) return;
  events_.Unsubscribe(subscription_);
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_one();
  }
  thread_.join();
}

void ControlLoop::RunUntilQuiet() {
  const std::lock_guard lock(ticking_);
  bool again = true;
  for (int round = 0; again && round < kMostRounds; ++round) {
    again = false;
    for (const Controller& controller : controllers_) {
      const auto changed = controller.tick(clock_.Now());
      if (changed.ok()) {
        again = again || *changed;
      } else {
        base::Log(base::LogLevel::kError, "app", "a controller's step failed",
                  {{"controller", controller.name}, {"error", changed.status().ToString()}});
      }
    }
  }
}

void ControlLoop::Run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    changed_.wait_for(lock, kInterval, [this] { return woken_ || stopping_; });
    if (stopping_) return;
    woken_ = false;
    lock.unlock();
    RunUntilQuiet();
    lock.lock();
  }
}

}  // namespace slipway::app
