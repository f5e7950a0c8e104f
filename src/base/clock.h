// SPDX-License-Identifier: Apache-2.0
// Clock: where every decision in the product takes its time from, so that tests and replays can
// drive it. Times are microseconds since the Unix epoch (UTC). Latencies are not measured with it:
// see MonotonicNanos.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"

namespace slipway::base {

using Micros = int64_t;  // a moment (since the epoch) or a length of time, by context

inline constexpr Micros kMillisecond = 1000;
inline constexpr Micros kSecond = 1000 * kMillisecond;
inline constexpr Micros kMinute = 60 * kSecond;
inline constexpr Micros kHour = 60 * kMinute;
inline constexpr Micros kDay = 24 * kHour;

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Micros Now() const = 0;
  // Blocks until Now() >= until, or `Interrupt` is called, or (real) max_wait has passed; false if
  // the time was not reached.
  virtual bool WaitUntil(Micros until, Micros max_wait) = 0;
  // Wakes every waiter (used when stopping).
  virtual void Interrupt() = 0;
};

class SystemClock final : public Clock {
 public:
  SystemClock();
  ~SystemClock() override;
  Micros Now() const override;
  bool WaitUntil(Micros until, Micros max_wait) override;
  void Interrupt() override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Stands still until told to move: tests, and replays of recorded data (setting `clock.mode:
// driven`).
class DrivenClock final : public Clock {
 public:
  explicit DrivenClock(Micros start);
  ~DrivenClock() override;
  Micros Now() const override;
  bool WaitUntil(Micros until, Micros max_wait) override;
  void Interrupt() override;
  // Moves forward to `now`, waking waiters; a move back is refused with kOutOfRange.
  Status Advance(Micros now);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// For durations only; never compared across processes.
int64_t MonotonicNanos();

// "2013-03-12T00:00:00.000000Z"; Parse takes RFC 3339 with any fraction and offset.
std::string FormatTime(Micros time);
Result<Micros> ParseTime(std::string_view text);
// "250ms", "5s", "10m", "2h", "14d" and sums such as "1h30m" -> microseconds.
Result<Micros> ParseDuration(std::string_view text);
std::string FormatDuration(Micros duration);

}  // namespace slipway::base
