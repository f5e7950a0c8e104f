// SPDX-License-Identifier: Apache-2.0
// LiveCounts: requests, failures and answer times of each endpoint by the minute, for the rules
// that do not wait for a window. A function of the records it was given. Private to this room.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "monitoring/rules/rule.h"

namespace slipway::monitoring {

// Answer times in buckets that grow by an eighth of a power of two; from 1 us to over an hour.
class LatencyCounts {
 public:
  static constexpr size_t kBuckets = 256;
  void Add(int64_t nanos, int64_t count);
  void Add(const LatencyCounts& other);
  int64_t count() const { return count_; }
  // Seconds, interpolated within its bucket; 0 when empty.
  double Quantile(double q) const;
  int64_t CountAbove(double seconds) const;  // as exact as its bucket

 private:
  std::vector<uint32_t> buckets_;  // empty until the first
  int64_t count_ = 0;
};

// Not thread-safe.
class LiveCounts {
 public:
  struct Sum {
    int64_t requests = 0;
    int64_t failed = 0;
    LatencyCounts latency;  // of answered requests; only when it was asked for
  };

  // `count` requests that ended at `time` alike.
  void Add(std::string_view endpoint, base::Micros time, bool failed, int64_t total_ns,
           int64_t count = 1);
  // Whole minutes: those that began in [from, until).
  Sum Over(std::string_view endpoint, base::Micros from, base::Micros until,
           bool with_latency) const;
  std::vector<std::string> Endpoints() const;
  // When the endpoint's first request came; nothing is known from before that.
  base::Micros FirstSeen(std::string_view endpoint) const;

 private:
  struct Minute {
    int64_t requests = 0;
    int64_t failed = 0;
    LatencyCounts latency;
  };
  struct Endpoint {
    base::Micros first = 0;
    int64_t newest = 0;  // number of its minute
    std::map<int64_t, Minute> minutes;
    int64_t latency_from = 0;  // minutes before it have given their times away
  };
  static void Forget(Endpoint& endpoint);

  std::map<std::string, Endpoint, std::less<>> endpoints_;
};

}  // namespace slipway::monitoring
