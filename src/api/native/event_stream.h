// SPDX-License-Identifier: Apache-2.0
// EventStream: the live event list of the web page, as server-sent events. One subscription to the
// log feeds every listener.
#pragma once

#include <cstddef>
#include <memory>

#include "events/events.h"
#include "net/http.h"

namespace slipway::api::native {

inline constexpr size_t kMaxListeners = 200;

class EventStream {
 public:
  explicit EventStream(events::EventLog& log);
  ~EventStream();  // ends every listener's response
  // A response that first sends the events after `after` (the newest 100 at most), then each new
  // one; 503 past kMaxListeners.
  net::HttpResponse Listen(int64_t after);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace slipway::api::native
