// SPDX-License-Identifier: Apache-2.0
// EventLoop: one thread over one epoll. Private to net.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/clock.h"
#include "base/files.h"
#include "base/status.h"

namespace slipway::net {

struct Ready {
  bool readable = false;
  bool writable = false;
  bool half_closed = false;  // the peer will send no more
  bool broken = false;       // neither direction works any more
};

// All but Post, Quit and InLoop are for the loop's own thread (or before Run).
class EventLoop {
 public:
  // Told of the edges of a descriptor; must stay alive until the events of the current round are
  // over: Unwatch, then let go in a posted task.
  class Watcher {
   public:
    virtual ~Watcher() = default;
    virtual void OnReady(const Ready& ready) = 0;
  };

  EventLoop();
  ~EventLoop();
  base::Status Open();
  // Edge-triggered, both directions. The caller keeps the descriptor.
  base::Status Watch(int fd, Watcher* watcher);
  void Unwatch(int fd);
  // `tick` runs about every `interval`.
  void SetTick(base::Micros interval, std::function<void()> tick);
  void Run();
  // Not 0 while more events wait than a round takes: what a watcher is told of now may have waited
  // for a while. Each round has a number of its own; the first event of a round waited longest.
  uint64_t late_round() const;

  // Thread-safe. Posted tasks run in order after the events of a round; those posted once Run has
  // ended are dropped.
  void Post(std::function<void()> task);
  void Quit();
  bool InLoop() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace slipway::net
