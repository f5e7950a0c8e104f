// SPDX-License-Identifier: Apache-2.0
// Events as they happen, to everyone who looks at the page.
#include "api/native/event_stream.h"

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace slipway::api::native {
namespace {

constexpr int64_t kFirstEvents = 100;

std::string Encode(const events::Event& event) {
  return "id: " + std::to_string(event.sequence) + "\nevent: event\ndata: " + ToJson(event).Dump() +
         "\n\n";
}

}  // namespace

struct EventStream::State {
  struct Listener {
    std::shared_ptr<net::EventSink> sink;
    int64_t sent = 0;
  };

  explicit State(events::EventLog& the_log) : log(the_log) {}

  void Wake() {
    const std::lock_guard lock(mutex);
    woken = true;
    changed.notify_one();
  }

  // Sends to one listener what it has not seen; false when it is gone.
  bool Feed(Listener& listener) {
    events::EventFilter filter;
    filter.after_sequence = listener.sent;
    filter.limit = kFirstEvents;
    const auto events = log.List(filter);
    if (!events.ok()) return true;  // the next wake tries again
    for (const events::Event& event : *events) {
      if (!listener.sink->Send(Encode(event))) return false;
      listener.sent = event.sequence;
    }
    return true;
  }

  void Run() {
    std::unique_lock lock(mutex);
    while (!stopping) {
      // A heartbeat finds the listeners that went away in silence.
      const bool beat =
          !changed.wait_for(lock, std::chrono::seconds(15), [this] { return woken || stopping; });
      woken = false;
      std::vector<Listener> current = std::move(listeners);
      listeners.clear();
      lock.unlock();
      std::erase_if(current, [&](Listener& one) {
        return (beat && !one.sink->Send(": beat\n\n")) || !Feed(one);
      });
      lock.lock();
      listeners.insert(listeners.end(), std::make_move_iterator(current.begin()),
                       std::make_move_iterator(current.end()));
    }
    for (Listener& listener : listeners) listener.sink->Close();
    listeners.clear();
  }

  events::EventLog& log;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Listener> listeners;  // those being fed at this moment are with Run
  bool woken = false;
  bool stopping = false;
  int64_t subscription = 0;
  std::thread thread;
};

EventStream::EventStream(events::EventLog& log) : state_(std::make_shared<State>(log)) {
  State* state = state_.get();
  state_->subscription = log.Subscribe([state](int64_t) { state->Wake(); });
  state_->thread = std::thread([state] { state->Run(); });
}

EventStream::~EventStream() {
  state_->log.Unsubscribe(state_->subscription);
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
    state_->changed.notify_one();
  }
  state_->thread.join();
}

net::HttpResponse EventStream::Listen(int64_t after) {
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->listeners.size() >= kMaxListeners) {
      return net::ErrorResponse(
          base::Unavailable("too_many_listeners", "too many event streams are open"));
    }
  }
  net::HttpResponse response;
  response.SetHeader("Content-Type", "text/event-stream");
  response.SetHeader("Cache-Control", "no-store");
  const int64_t from = std::max(after, state_->log.LastSequence() - kFirstEvents);
  response.push = [state = state_, from](std::shared_ptr<net::EventSink> sink) {
    const std::lock_guard lock(state->mutex);
    if (state->stopping) {
      sink->Close();
      return;
    }
    state->listeners.push_back({std::move(sink), from});
    state->woken = true;
    state->changed.notify_one();
  };
  return response;
}

}  // namespace slipway::api::native
