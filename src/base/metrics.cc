// SPDX-License-Identifier: Apache-2.0
// Metrics: what every walk counts while it runs, and what /metrics prints.
#include "base/metrics.h"

#include <array>
#include <chrono>
#include <cmath>

#include "base/metric_series.h"
#include "base/status.h"

namespace slipway::base {

namespace {

constexpr const char* kFolded = "slipway_base_folded_label_sets";

bool NameIsValid(std::string_view name, bool colons) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  return std::all_of(name.begin(), name.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (colons && c == ':');
  });
}

double SecondsNow() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double>(since).count();
}

}  // namespace

void NativeBuckets::Add(double value) {
  static constexpr double kZero = 1.0 / (1 << kPowers);
  // Upper ends of the eight buckets of a power of two, as fractions of it.
  static constexpr std::array<double, 8> kBounds = {0.5,
                                                    0.5452538663326288,
                                                    0.5946035575013605,
                                                    0.6484197773255048,
                                                    0.7071067811865475,
                                                    0.7711054127039704,
                                                    0.8408964152537144,
                                                    0.9170040432046711};
  if (value <= kZero) {
    zeros_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  int power = 0;
  const double fraction = std::frexp(std::min(value, 1e15), &power);
  const auto eighth = std::lower_bound(kBounds.begin(), kBounds.end(), fraction) - kBounds.begin();
  const int index = (power - 1) * 8 + static_cast<int>(eighth) - kFirst;
  std::atomic<uint64_t>* buckets = buckets_.load(std::memory_order_acquire);
  if (buckets == nullptr) buckets = Made();
  buckets[std::clamp(index, 0, kCount - 1)].fetch_add(1, std::memory_order_relaxed);
}

std::atomic<uint64_t>* NativeBuckets::Made() {
  auto made = std::make_unique<std::atomic<uint64_t>[]>(kCount);
  std::atomic<uint64_t>* there = nullptr;
  // Another thread may have been quicker: its buckets hold then.
  if (buckets_.compare_exchange_strong(there, made.get(), std::memory_order_acq_rel))
    return made.release();
  return there;
}

Series& Metrics::State::Find(MetricKind kind, std::string_view name, std::string_view help,
                             const Labels& labels) {
  CHECK(NameIsValid(name, true), name);
  auto family = families.find(name);
  if (family == families.end()) {
    family = families.emplace(std::string(name), Family{kind, std::string(help), {}}).first;
  }
  CHECK(family->second.kind == kind, name);
  Labels key = labels;
  std::sort(key.begin(), key.end());
  for (const auto& [label, value] : key) CHECK(NameIsValid(label, false) && label != "le", label);
  auto& series = family->second.series;
  if (!series.contains(key) && series.size() >= max_series) {
    for (auto& [label, value] : key) value = "_other";
    CountFolded();
  }
  Series& found = series[key];
  if (found.created == 0) found.created = SecondsNow();
  found.labels = key;
  return found;
}

void Metrics::State::CountFolded() {
  const auto family = families.try_emplace(
      kFolded, Family{MetricKind::kCounter,
                      "Times that a family was full and a label set was counted as _other.",
                      {}});
  Series& series = family.first->second.series[{}];
  if (series.created == 0) series.created = SecondsNow();
  if (!series.counter) series.counter = std::make_unique<AtomicCounter>();
  series.counter->Add(1);
}

void Metrics::State::Collect(const std::function<void()>& print) const {
  std::vector<std::function<void()>> calls;
  {
    std::lock_guard lock(mutex);
    calls = collects;
  }
  for (const auto& collect : calls) collect();  // unlocked: they come back to set gauges
  std::lock_guard lock(mutex);
  print();
}

Metrics::Metrics(size_t max_series_per_family) : state_(std::make_unique<State>()) {
  state_->max_series = max_series_per_family;
}
Metrics::~Metrics() = default;

Counter& Metrics::GetCounter(std::string_view name, std::string_view help, const Labels& labels) {
  CHECK(!name.ends_with("_total"), name);
  std::lock_guard lock(state_->mutex);
  Series& series = state_->Find(MetricKind::kCounter, name, help, labels);
  if (!series.counter) series.counter = std::make_unique<AtomicCounter>();
  return *series.counter;
}

Gauge& Metrics::GetGauge(std::string_view name, std::string_view help, const Labels& labels) {
  std::lock_guard lock(state_->mutex);
  Series& series = state_->Find(MetricKind::kGauge, name, help, labels);
  if (!series.gauge) series.gauge = std::make_unique<AtomicGauge>();
  return *series.gauge;
}

Histogram& Metrics::GetHistogram(std::string_view name, std::string_view help,
                                 std::span<const double> bounds, const Labels& labels) {
  CHECK(!bounds.empty() && std::adjacent_find(bounds.begin(), bounds.end(),
                                              std::greater_equal<>()) == bounds.end(),
        name);
  std::lock_guard lock(state_->mutex);
  Series& series = state_->Find(MetricKind::kHistogram, name, help, labels);
  if (!series.histogram) series.histogram = std::make_unique<AtomicHistogram>(bounds);
  return *series.histogram;
}

double Metrics::SumOfCounters(std::string_view name, const Labels& labels) const {
  std::lock_guard lock(state_->mutex);
  const auto family = state_->families.find(name);
  if (family == state_->families.end()) return 0;
  double sum = 0;
  for (const auto& [key, series] : family->second.series) {
    const bool included =
        std::all_of(labels.begin(), labels.end(), [&key = key](const auto& label) {
          return std::find(key.begin(), key.end(), label) != key.end();
        });
    if (included && series.counter) sum += series.counter->Value();
  }
  return sum;
}

const Histogram* Metrics::FindHistogram(std::string_view name, const Labels& labels) const {
  std::lock_guard lock(state_->mutex);
  const auto family = state_->families.find(name);
  if (family == state_->families.end()) return nullptr;
  Labels key = labels;
  std::sort(key.begin(), key.end());
  const auto series = family->second.series.find(key);
  return series == family->second.series.end() ? nullptr : series->second.histogram.get();
}

void Metrics::OnCollect(std::function<void()> collect) {
  std::lock_guard lock(state_->mutex);
  state_->collects.push_back(std::move(collect));
}

std::span<const double> LatencyBounds() {
  static constexpr std::array<double, 17> kBounds = {0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002,
                                                     0.005,   0.01,   0.02,   0.05,   0.1,   0.2,
                                                     0.5,     1,      2,      5,      10};
  return kBounds;
}

}  // namespace slipway::base
