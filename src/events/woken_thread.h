// SPDX-License-Identifier: Apache-2.0
// WokenThread: a thread that takes its owner's step when events have been written, when it is
// woken, and after a second without either. Start and Stop are the owner's; the rest is
// thread-safe.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

#include "events/events.h"

namespace slipway::events {

class WokenThread {
 public:
  // `events` and what `step` uses outlive it.
  WokenThread(EventLog& events, std::function<void()> step);
  ~WokenThread();  // Stop()
  WokenThread(const WokenThread&) = delete;
  WokenThread& operator=(const WokenThread&) = delete;

  void Start();
  void Stop();  // after the step under way. Idempotent; there is no second start.
  // The next step follows at once; from within a step, the one after it.
  void Wake();
  // A long step looks at it on its way.
  [[nodiscard]] bool stopping() const;

 private:
  void Run();

  EventLog& events_;
  const std::function<void()> step_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool woken_ = false;
  bool stopping_ = false;
  int64_t subscription_ = 0;
  std::thread thread_;
};

}  // namespace slipway::events
