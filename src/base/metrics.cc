// SPDX-License-Identifier: Apache-2.0
// Metrics: what every walk counts while it runs, and what /metrics prints.
#include "base/metrics.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <limits>
#include <map>
#include <mutex>
#include <optional>

#include "base/json.h"
#include "base/status.h"

namespace slipway::base {

namespace {

enum class Kind { kCounter, kGauge, kHistogram };
enum class Dialect { kOpenMetrics, kPrometheus };

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

class AtomicHistogram final : public Histogram {
 public:
  explicit AtomicHistogram(std::span<const double> bounds)
      : bounds_(bounds.begin(), bounds.end()), buckets_(bounds.size() + 1) {}

  void Observe(double value) override {
    if (std::isnan(value)) return;  // one would make the sum useless for ever
    const auto at = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
    buckets_[static_cast<size_t>(at)].fetch_add(1, std::memory_order_relaxed);
    sum_.fetch_add(value, std::memory_order_relaxed);
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

 private:
  std::vector<double> bounds_;
  std::vector<std::atomic<uint64_t>> buckets_;
  std::atomic<double> sum_{0};
};

struct Series {
  Labels labels;
  std::unique_ptr<AtomicCounter> counter;
  std::unique_ptr<AtomicGauge> gauge;
  std::unique_ptr<AtomicHistogram> histogram;
};

struct Family {
  Kind kind = Kind::kCounter;
  std::string help;
  std::map<Labels, Series> series;  // by sorted labels
};

bool NameIsValid(std::string_view name, bool colons) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  return std::all_of(name.begin(), name.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           (colons && c == ':');
  });
}

void AppendEscaped(std::string& out, std::string_view text, bool quotes) {
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\\' || (quotes && c == '"')) {
      out += '\\';
      out += c;
    } else {
      out += c;
    }
  }
}

void AppendValue(std::string& out, double value) {
  if (std::isfinite(value)) {
    AppendJsonNumber(out, value);
  } else {
    out += std::isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
  }
}

std::string BoundText(double bound, Dialect dialect) {
  std::string text;
  AppendJsonNumber(text, bound);
  const bool bare = text.find_first_of(".e") == std::string::npos;
  return bare && dialect == Dialect::kOpenMetrics ? text + ".0" : text;
}

void AppendSample(std::string& out, std::string_view name, const Labels& labels,
                  const std::string* bound, double value) {
  out += name;
  char separator = '{';
  const auto append_label = [&](std::string_view key, std::string_view label) {
    out += separator;
    separator = ',';
    out += key;
    out += "=\"";
    AppendEscaped(out, label, true);
    out += '"';
  };
  for (const auto& [key, label] : labels) append_label(key, label);
  if (bound != nullptr) append_label("le", *bound);
  if (separator == ',') out += '}';
  out += ' ';
  AppendValue(out, value);
  out += '\n';
}

void AppendHistogram(std::string& out, const std::string& name, const Series& series,
                     Dialect dialect) {
  uint64_t total = 0;
  const AtomicHistogram& histogram = *series.histogram;
  for (size_t i = 0; i <= histogram.bounds().size(); ++i) {
    total += histogram.Bucket(i);
    const std::string bound =
        i < histogram.bounds().size() ? BoundText(histogram.bounds()[i], dialect) : "+Inf";
    AppendSample(out, name + "_bucket", series.labels, &bound, static_cast<double>(total));
  }
  AppendSample(out, name + "_sum", series.labels, nullptr, histogram.Sum());
  // The sum of the buckets as printed, so that _count and the +Inf bucket always agree.
  AppendSample(out, name + "_count", series.labels, nullptr, static_cast<double>(total));
}

void AppendFamily(std::string& out, const std::string& name, const Family& family,
                  Dialect dialect) {
  constexpr std::array<std::string_view, 3> kTypes = {"counter", "gauge", "histogram"};
  const std::string sample = family.kind == Kind::kCounter ? name + "_total" : name;
  const std::string& heading = dialect == Dialect::kOpenMetrics ? name : sample;
  out += "# HELP " + heading + " ";
  AppendEscaped(out, family.help, dialect == Dialect::kOpenMetrics);
  out += "\n# TYPE " + heading + " ";
  out += kTypes[static_cast<size_t>(family.kind)];
  out += '\n';
  for (const auto& [key, series] : family.series) {
    if (series.counter) AppendSample(out, sample, series.labels, nullptr, series.counter->Value());
    if (series.gauge) AppendSample(out, sample, series.labels, nullptr, series.gauge->Value());
    if (series.histogram) AppendHistogram(out, sample, series, dialect);
  }
}

}  // namespace

struct Metrics::State {
  size_t max_series = 0;
  mutable std::mutex mutex;
  std::map<std::string, Family, std::less<>> families;
  std::vector<std::function<void()>> collects;

  Series& Find(Kind kind, std::string_view name, std::string_view help, const Labels& labels) {
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
    }
    Series& found = series[key];
    found.labels = key;
    return found;
  }

  std::string Print(Dialect dialect) const {
    std::vector<std::function<void()>> calls;
    {
      std::lock_guard lock(mutex);
      calls = collects;
    }
    for (const auto& collect : calls) collect();  // unlocked: they come back to set gauges
    std::lock_guard lock(mutex);
    std::string out;
    for (const auto& [name, family] : families) AppendFamily(out, name, family, dialect);
    if (dialect == Dialect::kOpenMetrics) out += "# EOF\n";
    return out;
  }
};

Metrics::Metrics(size_t max_series_per_family) : state_(std::make_unique<State>()) {
  state_->max_series = max_series_per_family;
}
Metrics::~Metrics() = default;

Counter& Metrics::GetCounter(std::string_view name, std::string_view help, const Labels& labels) {
  CHECK(!name.ends_with("_total"), name);
  std::lock_guard lock(state_->mutex);
  Series& series = state_->Find(Kind::kCounter, name, help, labels);
  if (!series.counter) series.counter = std::make_unique<AtomicCounter>();
  return *series.counter;
}

Gauge& Metrics::GetGauge(std::string_view name, std::string_view help, const Labels& labels) {
  std::lock_guard lock(state_->mutex);
  Series& series = state_->Find(Kind::kGauge, name, help, labels);
  if (!series.gauge) series.gauge = std::make_unique<AtomicGauge>();
  return *series.gauge;
}

Histogram& Metrics::GetHistogram(std::string_view name, std::string_view help,
                                 std::span<const double> bounds, const Labels& labels) {
  CHECK(!bounds.empty() && std::adjacent_find(bounds.begin(), bounds.end(),
                                              std::greater_equal<>()) == bounds.end(),
        name);
  std::lock_guard lock(state_->mutex);
  Series& series = state_->Find(Kind::kHistogram, name, help, labels);
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

std::string Metrics::PrintOpenMetrics() const { return state_->Print(Dialect::kOpenMetrics); }
std::string Metrics::PrintPrometheusText() const { return state_->Print(Dialect::kPrometheus); }

std::span<const double> LatencyBounds() {
  static constexpr std::array<double, 17> kBounds = {0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002,
                                                     0.005,   0.01,   0.02,   0.05,   0.1,   0.2,
                                                     0.5,     1,      2,      5,      10};
  return kBounds;
}

}  // namespace slipway::base
