// SPDX-License-Identifier: Apache-2.0
// ControlLoop: the thread that ticks the controllers: once a second, at once after every event, and
// when a driven clock moves.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "events/events.h"
#include "events/woken_thread.h"

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
  base::Clock& clock_;
  const std::vector<Controller> controllers_;
  std::mutex ticking_;
  events::WokenThread thread_;
};

}  // namespace slipway::app
