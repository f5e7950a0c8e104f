// SPDX-License-Identifier: Apache-2.0
// Scrub: reads every version's files again, all the time, slowly, on a thread of its own, so that
// damage is known before somebody needs the version. Thread-safe.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/clock.h"
#include "base/metrics.h"
#include "registry/registry.h"

namespace slipway::registry {

class Scrub {
 public:
  // `interval`: from the end of one round to the next, the first after one; 0: never.
  Scrub(Registry& registry, base::Metrics& metrics, base::Micros interval, int64_t mb_per_s);
  ~Scrub();  // Stop()
  void Start();
  void Stop();  // ends a round at the next file. Idempotent.

 private:
  void Run();
  bool PauseFor(base::Micros pause);  // false: stopping

  Registry& registry_;
  base::Metrics& metrics_;
  const base::Micros interval_;
  const int64_t mb_per_s_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace slipway::registry
