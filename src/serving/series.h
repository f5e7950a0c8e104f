// SPDX-License-Identifier: Apache-2.0
// Series: the counters of one arm, found without a lock: each thread keeps the handles that it has
// used.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/metrics.h"
#include "base/status.h"

namespace slipway::serving {

// slipway_serving_requests_total{endpoint,version,arm,code} and
// slipway_serving_request_seconds{endpoint,arm}: one count an attempt, so a request that a
// candidate failed and stable answered counts under both arms. Thread-safe.
class Series {
 public:
  explicit Series(base::Metrics& metrics);
  // `epoch` is of the endpoint's plan: an entry of an older plan is dropped.
  void Count(std::string_view endpoint, int64_t epoch, std::string_view arm, int64_t version,
             base::Code code, int64_t total_ns);

 private:
  base::Metrics& metrics_;
  const uint64_t instance_;  // never given twice in a process, unlike an address
};

}  // namespace slipway::serving
