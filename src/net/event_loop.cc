// SPDX-License-Identifier: Apache-2.0
// EventLoop: the first step of every request's walk. Plain epoll, edge-triggered: a request costs
// one wait, one read and one write, and a connection is registered once.
#include "net/event_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace slipway::net {

struct EventLoop::State {
  base::FileHandle epoll;
  base::FileHandle wake;
  std::atomic<bool> quit{false};
  std::atomic<std::thread::id> thread;
  base::Micros tick_interval = base::kSecond;
  std::function<void()> tick;
  int64_t next_tick = 0;
  uint64_t rounds = 0;
  uint64_t late_round = 0;  // 0: the last two waits took all there was
  bool full = false;        // the last one left events where they were

  std::mutex mutex;  // over the three below
  std::vector<std::function<void()>> posted;
  bool woken = false;
  bool closed = false;

  void Wake() const {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(wake.fd(), &one, sizeof(one));
  }

  void DrainWake() const {
    uint64_t count = 0;
    [[maybe_unused]] const ssize_t got = read(wake.fd(), &count, sizeof(count));
  }

  bool HasPosted() {
    std::lock_guard lock(mutex);
    return !posted.empty();
  }

  void RunPosted() {
    std::vector<std::function<void()>> tasks;
    {
      std::lock_guard lock(mutex);
      tasks.swap(posted);
      woken = false;
    }
    for (auto& task : tasks) task();
  }

  int WaitMs(int64_t now) {
    if (HasPosted()) return 0;
    return static_cast<int>(std::clamp<int64_t>((next_tick - now) / 1'000'000 + 1, 0, 1000));
  }
};

EventLoop::EventLoop() : state_(std::make_unique<State>()) {}
EventLoop::~EventLoop() = default;

base::Status EventLoop::Open() {
  state_->epoll = base::FileHandle(epoll_create1(EPOLL_CLOEXEC));
  if (!state_->epoll.valid()) return base::FromErrno(errno, "epoll_create1");
  state_->wake = base::FileHandle(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!state_->wake.valid()) return base::FromErrno(errno, "eventfd");
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = nullptr;
  if (epoll_ctl(state_->epoll.fd(), EPOLL_CTL_ADD, state_->wake.fd(), &event) != 0) {
    return base::FromErrno(errno, "epoll_ctl");
  }
  return base::Status::Ok();
}

base::Status EventLoop::Watch(int fd, Watcher* watcher) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = watcher;
  if (epoll_ctl(state_->epoll.fd(), EPOLL_CTL_ADD, fd, &event) != 0)
    return base::FromErrno(errno, "epoll_ctl");
  return base::Status::Ok();
}

void EventLoop::Unwatch(int fd) { epoll_ctl(state_->epoll.fd(), EPOLL_CTL_DEL, fd, nullptr); }

void EventLoop::SetTick(base::Micros interval, std::function<void()> tick) {
  state_->tick_interval = interval;
  state_->tick = std::move(tick);
}

void EventLoop::Run() {
  state_->thread.store(std::this_thread::get_id());
  std::array<epoll_event, 128> events{};
  int64_t now = base::MonotonicNanos();
  while (!state_->quit.load(std::memory_order_relaxed)) {
    const int count = epoll_wait(state_->epoll.fd(), events.data(), static_cast<int>(events.size()),
                                 state_->WaitMs(now));
    ++state_->rounds;
    const bool was_full = std::exchange(state_->full, count == static_cast<int>(events.size()));
    state_->late_round = was_full || state_->full ? state_->rounds : 0;
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<size_t>(i)];
      if (event.data.ptr == nullptr) {
        state_->DrainWake();
        continue;
      }
      const uint32_t bits = event.events;
      static_cast<Watcher*>(event.data.ptr)
          ->OnReady({.readable = (bits & (EPOLLIN | EPOLLRDHUP)) != 0,
                     .writable = (bits & EPOLLOUT) != 0,
                     .half_closed = (bits & EPOLLRDHUP) != 0,
                     .broken = (bits & (EPOLLHUP | EPOLLERR)) != 0});
    }
    state_->RunPosted();
    now = base::MonotonicNanos();
    if (now >= state_->next_tick) {
      state_->next_tick = now + state_->tick_interval * 1000;
      if (state_->tick) state_->tick();
    }
  }
  std::vector<std::function<void()>> dropped;
  {
    std::lock_guard lock(state_->mutex);
    state_->closed = true;
    dropped.swap(state_->posted);
  }
}

uint64_t EventLoop::late_round() const { return state_->late_round; }

void EventLoop::Post(std::function<void()> task) {
  bool wake = false;
  {
    std::lock_guard lock(state_->mutex);
    if (state_->closed) return;
    state_->posted.push_back(std::move(task));
    wake = !state_->woken && !InLoop();
    if (wake) state_->woken = true;
  }
  if (wake) state_->Wake();
}

void EventLoop::Quit() {
  state_->quit.store(true);
  state_->Wake();
}

bool EventLoop::InLoop() const {
  return state_->thread.load(std::memory_order_relaxed) == std::this_thread::get_id();
}

}  // namespace slipway::net
