// SPDX-License-Identifier: Apache-2.0
// What a Metrics registry consists of: families of series, and their values. Private to base: the
// registry (metrics.cc) and the formats (metrics_text.cc, metrics_protobuf.cc) use it.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"

namespace slipway::base {

enum class MetricKind { kCounter, kGauge, kHistogram };

class AtomicCounter final : public Counter {
 public:
  void Add(double amount) override { value_.fetch_add(amount, std::memory_order_relaxed); }
  double Value() const override { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

class AtomicGauge final : public Gauge {
 public:
  void Set(double value) override { value_.store(value, std::memory_order_relaxed); }
  void Add(double amount) override { value_.fetch_add(amount, std::memory_order_relaxed); }
  double Value() const override { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

// The buckets of a native histogram of schema 3: bucket i ends at 2^(i/8), each about 9 % wide.
// They are made with the first value.
class NativeBuckets {
 public:
  static constexpr int kSchema = 3;
  static constexpr int kPowers = 20;  // from 2^-20 to 2^20; smaller is zero, larger the last bucket
  static constexpr int kFirst = -kPowers * 8 + 1;
  static constexpr int kCount = 2 * kPowers * 8;

  ~NativeBuckets() { delete[] buckets_.load(std::memory_order_relaxed); }
  void Add(double value);
  uint64_t zeros() const { return zeros_.load(std::memory_order_relaxed); }
  // Of bucket kFirst + i.
  uint64_t At(int i) const {
    const std::atomic<uint64_t>* buckets = buckets_.load(std::memory_order_acquire);
    return buckets == nullptr ? 0 : buckets[i].load(std::memory_order_relaxed);
  }

 private:
  std::atomic<uint64_t>* Made();

  std::atomic<std::atomic<uint64_t>*> buckets_{nullptr};
  std::atomic<uint64_t> zeros_{0};
};

class AtomicHistogram final : public Histogram {
 public:
  explicit AtomicHistogram(std::span<const double> bounds)
      : bounds_(bounds.begin(), bounds.end()), buckets_(bounds.size() + 1) {}

  void Observe(double value) override {
    if (value != value) return;  // one NaN would make the sum useless for ever
    const auto at = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
    buckets_[static_cast<size_t>(at)].fetch_add(1, std::memory_order_relaxed);
    sum_.fetch_add(value, std::memory_order_relaxed);
    native_.Add(value);
  }
  uint64_t Count() const override {
    uint64_t count = 0;
    for (const auto& bucket : buckets_) count += bucket.load(std::memory_order_relaxed);
    return count;
  }
  double Sum() const override { return sum_.load(std::memory_order_relaxed); }
  double Quantile(double q) const override {
    const double rank = std::clamp(q, 0.0, 1.0) * static_cast<double>(Count());
    double below = 0;
    double lower = 0;
    for (size_t i = 0; i < bounds_.size(); ++i) {
      const auto here = static_cast<double>(Bucket(i));
      if (here > 0 && below + here >= rank)
        return lower + (bounds_[i] - lower) * (rank - below) / here;
      below += here;
      lower = bounds_[i];
    }
    return Count() == 0 ? 0 : lower;  // past the last bound: that bound, as Prometheus does
  }

  const std::vector<double>& bounds() const { return bounds_; }
  uint64_t Bucket(size_t i) const { return buckets_[i].load(std::memory_order_relaxed); }
  const NativeBuckets& native() const { return native_; }

 private:
  std::vector<double> bounds_;
  std::vector<std::atomic<uint64_t>> buckets_;
  std::atomic<double> sum_{0};
  NativeBuckets native_;
};

struct Series {
  Labels labels;
  double created = 0;  // seconds since the epoch
  std::unique_ptr<AtomicCounter> counter;
  std::unique_ptr<AtomicGauge> gauge;
  std::unique_ptr<AtomicHistogram> histogram;
};

struct Family {
  MetricKind kind = MetricKind::kCounter;
  std::string help;
  std::map<Labels, Series> series;  // by sorted labels
};

struct Metrics::State {
  size_t max_series = 0;
  mutable std::mutex mutex;
  std::map<std::string, Family, std::less<>> families;
  std::vector<std::function<void()>> collects;

  // Under mutex.
  Series& Find(MetricKind kind, std::string_view name, std::string_view help, const Labels& labels);
  void CountFolded();
  // Calls every collect, then `print` under the mutex.
  void Collect(const std::function<void()>& print) const;
};

}  // namespace slipway::base
