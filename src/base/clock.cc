// SPDX-License-Identifier: Apache-2.0
// Clock: the time that every controller asks for, real or driven by a test.
#include "base/clock.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>

namespace slipway::base {

namespace {

constexpr Micros kLongestWait = 365 * kDay;  // keeps nanoseconds inside int64

Micros WallMicros() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::chrono::steady_clock::time_point After(Micros wait) {
  return std::chrono::steady_clock::now() +
         std::chrono::microseconds(std::clamp<Micros>(wait, 0, kLongestWait));
}

}  // namespace

struct SystemClock::State {
  std::mutex mutex;
  std::condition_variable wake;
  uint64_t interrupts = 0;
};

SystemClock::SystemClock() : state_(std::make_unique<State>()) {}
SystemClock::~SystemClock() = default;

Micros SystemClock::Now() const { return WallMicros(); }

bool SystemClock::WaitUntil(Micros until, Micros max_wait) {
  std::unique_lock lock(state_->mutex);
  const uint64_t seen = state_->interrupts;
  const auto give_up = After(max_wait);
  while (true) {
    const Micros now = WallMicros();
    if (now >= until) return true;
    if (state_->interrupts != seen || std::chrono::steady_clock::now() >= give_up) return false;
    state_->wake.wait_until(lock, std::min(give_up, After(until - now)));
  }
}

void SystemClock::Interrupt() {
  {
    std::lock_guard lock(state_->mutex);
    ++state_->interrupts;
  }
  state_->wake.notify_all();
}

struct DrivenClock::State {
  mutable std::mutex mutex;
  std::condition_variable wake;
  Micros now = 0;
  uint64_t interrupts = 0;
};

DrivenClock::DrivenClock(Micros start) : state_(std::make_unique<State>()) { state_->now = start; }
DrivenClock::~DrivenClock() = default;

Micros DrivenClock::Now() const {
  std::lock_guard lock(state_->mutex);
  return state_->now;
}

bool DrivenClock::WaitUntil(Micros until, Micros max_wait) {
  std::unique_lock lock(state_->mutex);
  const uint64_t seen = state_->interrupts;
  state_->wake.wait_until(lock, After(max_wait),
                          [&] { return state_->now >= until || state_->interrupts != seen; });
  return state_->now >= until;
}

void DrivenClock::Interrupt() {
  {
    std::lock_guard lock(state_->mutex);
    ++state_->interrupts;
  }
  state_->wake.notify_all();
}

Status DrivenClock::Advance(Micros now) {
  {
    std::lock_guard lock(state_->mutex);
    if (now < state_->now) {
      return {Code::kOutOfRange, "clock_moves_back",
              "the clock stands at " + FormatTime(state_->now) + " and cannot move back to " +
                  FormatTime(now),
              "now"};
    }
    state_->now = now;
  }
  state_->wake.notify_all();
  return Status::Ok();
}

int64_t MonotonicNanos() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace slipway::base
