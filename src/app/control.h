// SPDX-License-Identifier: Apache-2.0
// ControlLoop: the thread that ticks the controllers: once a second, at once after every event, and
// when a driven clock moves.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "events/events.h"

namespace slipway::app {

struct Controller {
  std::string name;
  // One idempotent step; true when it changed something that another controller may wait for.
  std::function<base::Result<bool>(base::Micros now)> tick;
};

class ControlLoop {
 public:
  ControlLoop(base::Clock& clock, events::EventLog& events, std::vector<Controller> controllers);
  ~ControlLoop();  // Stop()
  void Start();
  void Stop();
  // Ticks every controller until none has anything to do. Thread-safe; a failure of one is logged
  // and the others go on.
  void RunUntilQuiet();

 private:
  void Run();

  base::Clock& clock_;
  events::EventLog& events_;
  const std::vector<Controller> controllers_;
  std::mutex ticking_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool woken_ = false;
  bool stopping_ = false;
  int64_t subscription_ = 0;
  std::thread thread_;
};

}  // namespace slipway::app
