// SPDX-License-Identifier: Apache-2.0
// The heartbeat of everything that happens by itself.
#include "app/control.h"

#include <mutex>
#include <utility>
#include <vector>

#include "base/log.h"

namespace slipway::app {
namespace {

constexpr int kMostRounds = 100;  // of one wake: what is left is for the next

}  // namespace

ControlLoop::ControlLoop(base::Clock& clock, events::EventLog& events,
                         std::vector<Controller> controllers)
    : clock_(clock),
      controllers_(std::move(controllers)),
      thread_(events, [this] { RunUntilQuiet(); }) {}

ControlLoop::~ControlLoop() { Stop(); }

void ControlLoop::Start() { thread_.Start(); }

void ControlLoop::Stop() { thread_.Stop(); }

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

}  // namespace slipway::app
