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

namespace {

constexpr int kEventsAtOnce = 128;

}  // namespace

struct EventLoop::State {
  base::FileHandle epoll;
  base::FileHandle wake;
  std::atomic<bool> quit{false};
  std::atomic<std::thread::id> thread;
  base::Micros tick_interval = base::kSecond;
  std::function<void()> tick;
  std::function<void()> round_end = [] {};
  int64_t next_tick = 0;
  Backlog backlog;
  int64_t asked_ns = base::MonotonicNanos();  // when the last wait ended
  bool busy = false;      // it had events, so what the next one has came since then
  int64_t waited_ns = 0;  // of the event that is being told

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

  int WaitMs() {
    if (!backlog.empty() || HasPosted()) return 0;
    return static_cast<int>(std::clamp<int64_t>((next_tick - asked_ns) / 1'000'000 + 1, 0, 1000));
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

void EventLoop::Unwatch(int fd, Watcher* watcher) {
  epoll_ctl(state_->epoll.fd(), EPOLL_CTL_DEL, fd, nullptr);
  state_->backlog.Remove(*watcher);
}

void EventLoop::SetTick(base::Micros interval, std::function<void()> tick) {
  state_->tick_interval = interval;
  state_->tick = std::move(tick);
}

void EventLoop::SetRoundEnd(std::function<void()> end) { state_->round_end = std::move(end); }

void EventLoop::Tell(Watcher& watcher, uint32_t bits) {
  watcher.OnReady({.readable = (bits & (EPOLLIN | EPOLLRDHUP)) != 0,
                   .writable = (bits & EPOLLOUT) != 0,
                   .half_closed = (bits & EPOLLRDHUP) != 0,
                   .broken = (bits & (EPOLLHUP | EPOLLERR)) != 0});
}

// As long as a wait takes all there is, whoever is ready is told at once. Else all of it is taken
// in first, so that it is known how long each has waited.
void EventLoop::TakeEvents(int wait_ms) {
  std::array<epoll_event, kEventsAtOnce> events{};
  bool behind = !state_->backlog.empty();
  bool more = true;
  while (more) {
    const int count = epoll_wait(state_->epoll.fd(), events.data(), kEventsAtOnce, wait_ms);
    more = count == kEventsAtOnce;
    behind = behind || more;
    const int64_t now_ns = base::MonotonicNanos();
    const int64_t since_ns = state_->busy ? state_->asked_ns : now_ns;
    state_->asked_ns = now_ns;
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<size_t>(i)];
      auto* watcher = static_cast<Watcher*>(event.data.ptr);
      if (watcher == nullptr) {
        state_->DrainWake();
      } else if (behind && !watcher->urgent_) {
        state_->backlog.Add(*watcher, event.events, since_ns);
      } else {
        Tell(*watcher, event.events);
      }
    }
    state_->busy = count > 0;
    wait_ms = 0;
  }
}

void EventLoop::ServeBacklog() {
  for (int i = 0; i < kEventsAtOnce && !state_->backlog.empty(); ++i) {
    const int64_t now_ns = base::MonotonicNanos();
    const Backlog::Turn turn = state_->backlog.Next(now_ns);
    state_->waited_ns = now_ns - turn.since_ns;
    Tell(*static_cast<Watcher*>(turn.one), turn.bits);
  }
  state_->waited_ns = 0;
}

void EventLoop::Run() {
  state_->thread.store(std::this_thread::get_id());
  while (!state_->quit.load(std::memory_order_relaxed)) {
    TakeEvents(state_->WaitMs());
    ServeBacklog();
    state_->round_end();
    state_->RunPosted();
    if (state_->asked_ns >= state_->next_tick) {
      state_->next_tick = state_->asked_ns + state_->tick_interval * 1000;
      if (state_->tick) state_->tick();
    }
    state_->round_end();
  }
  std::vector<std::function<void()>> dropped;
  {
    std::lock_guard lock(state_->mutex);
    state_->closed = true;
    dropped.swap(state_->posted);
  }
}

int64_t EventLoop::waited_ns() const { return state_->waited_ns; }

void EventLoop::Missed() { state_->backlog.Missed(base::MonotonicNanos()); }

void EventLoop::SetMostWait(int64_t most_ns) { state_->backlog.SetMost(most_ns); }

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
