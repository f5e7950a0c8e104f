// SPDX-License-Identifier: Apache-2.0
// EventLoop: one thread over one epoll. Private to net.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/clock.h"
#include "base/files.h"
#include "base/status.h"
#include "net/backlog.h"

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
  class Watcher : private Backlogged {
   public:
    // `urgent`: has its turn at once, however much waits.
    explicit Watcher(bool urgent = false) : urgent_(urgent) {}
    virtual ~Watcher() = default;
    virtual void OnReady(const Ready& ready) = 0;

   private:
    friend class EventLoop;
    const bool urgent_;
  };

  EventLoop();
  ~EventLoop();
  base::Status Open();
  // Edge-triggered, both directions. The caller keeps the descriptor.
  base::Status Watch(int fd, Watcher* watcher);
  void Unwatch(int fd, Watcher* watcher);
  // `tick` runs about every `interval`.
  void SetTick(base::Micros interval, std::function<void()> tick);
  // `end` runs after the events of a round, and again after its posted tasks and its tick; all
  // watchers of the round are alive then.
  void SetRoundEnd(std::function<void()> end);
  void Run();
  // How long what a watcher is told of now has waited at most. 0 while the loop keeps up: it is
  // then told at once.
  [[nodiscard]] int64_t waited_ns() const;
  // What a watcher was told of came too late to be of use: those that have waited as long are not
  // to go first (Backlog). `most_ns`: what has waited for longer is refused with little effort.
  void Missed();
  void SetMostWait(int64_t most_ns);

  // Thread-safe. Posted tasks run in order after the events of a round; those posted once Run has
  // ended are dropped.
  void Post(std::function<void()> task);
  void Quit();
  bool InLoop() const;

 private:
  struct State;
  static void Tell(Watcher& watcher, uint32_t bits);
  void TakeEvents(int wait_ms);
  void ServeBacklog();

  std::unique_ptr<State> state_;
};

}  // namespace slipway::net
