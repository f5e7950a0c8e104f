// SPDX-License-Identifier: Apache-2.0
// The counting thread's walk, for live rules: each record into its minute.
#include "monitoring/rules/live_counts.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace slipway::monitoring {
namespace {

constexpr int kFirstPower = 10;  // 2^10 ns: all that is quicker is in the first bucket
constexpr double kNanos = 1e-9;

size_t BucketOf(int64_t nanos) {
  const auto value = static_cast<uint64_t>(std::max<int64_t>(nanos, 1));
  const int power = static_cast<int>(std::bit_width(value)) - 1;
  if (power < kFirstPower) return 0;
  const auto eighth = static_cast<size_t>((value >> (power - 3)) & 7);
  return std::min(static_cast<size_t>(power - kFirstPower) * 8 + eighth,
                  LatencyCounts::kBuckets - 1);
}

// The lower bound of a bucket in seconds; the bucket ends where the next one begins.
double LowerBound(size_t bucket) {
  return std::ldexp(1.0 + static_cast<double>(bucket % 8) / 8,
                    kFirstPower + static_cast<int>(bucket / 8)) *
         kNanos;
}

int64_t MinuteOf(base::Micros time) {
  return time >= 0 ? time / base::kMinute : -((-time + base::kMinute - 1) / base::kMinute);
}

}  // namespace

void LatencyCounts::Add(int64_t nanos, int64_t count) {
  if (buckets_.empty()) buckets_.resize(kBuckets);
  buckets_[BucketOf(nanos)] += static_cast<uint32_t>(count);
  count_ += count;
}

void LatencyCounts::Add(const LatencyCounts& other) {
  if (other.buckets_.empty()) return;
  if (buckets_.empty()) buckets_.resize(kBuckets);
  for (size_t i = 0; i < kBuckets; ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
}

double LatencyCounts::Quantile(double q) const {
  const double rank = std::clamp(q, 0.0, 1.0) * static_cast<double>(count_);
  double before = 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    const double here = buckets_[i];
    if (here > 0 && before + here >= rank) {
      const double lower = LowerBound(i);
      return lower + (LowerBound(i + 1) - lower) * (rank - before) / here;
    }
    before += here;
  }
  return 0;
}

int64_t LatencyCounts::CountAbove(double seconds) const {
  int64_t above = 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    if (LowerBound(i) >= seconds) above += buckets_[i];
  }
  return above;
}

void LiveCounts::Add(std::string_view endpoint, base::Micros time, bool failed, int64_t total_ns,
                     int64_t count) {
  auto found = endpoints_.find(endpoint);
  if (found == endpoints_.end()) {
    found = endpoints_.emplace(std::string(endpoint), Endpoint{}).first;
    found->second.first = time;
  }
  Endpoint& counts = found->second;
  counts.first = std::min(counts.first, time);
  const int64_t number = MinuteOf(time);
  const auto [minute, added] = counts.minutes.try_emplace(number);
  minute->second.requests += count;
  if (failed) minute->second.failed += count;
  if (!failed && number >= counts.latency_from) minute->second.latency.Add(total_ns, count);
  if (!added || (number <= counts.newest && counts.minutes.size() > 1)) return;
  counts.newest = number;
  Forget(counts);
}

void LiveCounts::Forget(Endpoint& endpoint) {
  const int64_t oldest = endpoint.newest - kCountsKept / base::kMinute;
  endpoint.minutes.erase(endpoint.minutes.begin(), endpoint.minutes.lower_bound(oldest));
  const int64_t latency_from = endpoint.newest - kLatencyKept / base::kMinute;
  for (auto minute = endpoint.minutes.lower_bound(endpoint.latency_from);
       minute != endpoint.minutes.end() && minute->first < latency_from; ++minute) {
    minute->second.latency = {};
  }
  endpoint.latency_from = std::max(endpoint.latency_from, latency_from);
}

LiveCounts::Sum LiveCounts::Over(std::string_view endpoint, base::Micros from, base::Micros until,
                                 bool with_latency) const {
  Sum sum;
  const auto found = endpoints_.find(endpoint);
  if (found == endpoints_.end()) return sum;
  const auto& minutes = found->second.minutes;
  // A minute belongs to the span that its beginning lies in.
  const auto end = minutes.lower_bound(MinuteOf(until + base::kMinute - 1));
  for (auto minute = minutes.lower_bound(MinuteOf(from + base::kMinute - 1)); minute != end;
       ++minute) {
    sum.requests += minute->second.requests;
    sum.failed += minute->second.failed;
    if (with_latency) sum.latency.Add(minute->second.latency);
  }
  return sum;
}

std::vector<std::string> LiveCounts::Endpoints() const {
  std::vector<std::string> names;
  names.reserve(endpoints_.size());
  for (const auto& [name, counts] : endpoints_) names.push_back(name);
  return names;
}

base::Micros LiveCounts::FirstSeen(std::string_view endpoint) const {
  const auto found = endpoints_.find(endpoint);
  return found == endpoints_.end() ? 0 : found->second.first;
}

}  // namespace slipway::monitoring
