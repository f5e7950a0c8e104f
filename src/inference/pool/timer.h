// SPDX-License-Identifier: Apache-2.0
// Timer: calls functions at their time, from a thread of its own that is made for the first of
// them. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace slipway::inference::pool {

class Timer {
 public:
  Timer();
  ~Timer();  // Stop()
  // `when_ns` as base::MonotonicNanos. The function must be short. Once stopped it is called here.
  void At(int64_t when_ns, std::function<void()> call);
  // Calls at once what waits. Idempotent.
  void Stop();

 private:
  struct State;
  std::shared_ptr<State> state_;  // also of a thread whose last call ended its own timer
};

}  // namespace slipway::inference::pool
