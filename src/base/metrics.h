// SPDX-License-Identifier: Apache-2.0
// Metrics: counters, gauges and histograms by Prometheus' conventions, printed as OpenMetrics,
// Prometheus text or protobuf. A handle is cheap to use from any thread (relaxed atomics) and lives
// as long as its registry. Cardinality is bounded: past `max_series` label sets of a family,
// further ones fold into one whose label values are "_other", and
// slipway_base_folded_label_sets_total counts them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace slipway::base {

using Labels = std::vector<std::pair<std::string, std::string>>;

class Counter {
 public:
  virtual ~Counter() = default;
  virtual void Add(double amount = 1) = 0;
  virtual double Value() const = 0;
};

class Gauge {
 public:
  virtual ~Gauge() = default;
  virtual void Set(double value) = 0;
  virtual void Add(double amount) = 0;
  virtual double Value() const = 0;
};

class Histogram {
 public:
  virtual ~Histogram() = default;
  virtual void Observe(double value) = 0;
  virtual uint64_t Count() const = 0;
  virtual double Sum() const = 0;
  // Linear interpolation inside the bucket; 0 when empty. q in [0, 1].
  virtual double Quantile(double q) const = 0;
};

class Metrics {
 public:
  explicit Metrics(size_t max_series_per_family = 1000);
  ~Metrics();

  // Find or create. Name: `slipway_<room>_<what>_<unit>`; counters end in `_total` (given here
  // without it).
  Counter& GetCounter(std::string_view name, std::string_view help, const Labels& labels = {});
  Gauge& GetGauge(std::string_view name, std::string_view help, const Labels& labels = {});
  // `bounds`: upper bucket bounds, rising, without +Inf.
  Histogram& GetHistogram(std::string_view name, std::string_view help,
                          std::span<const double> bounds, const Labels& labels = {});
  // Read without creating anything: the sum of the counters of a family whose labels include these;
  // nullptr when there is no such histogram.
  double SumOfCounters(std::string_view name, const Labels& labels) const;
  const Histogram* FindHistogram(std::string_view name, const Labels& labels) const;
  // Called before each print, to set gauges that are read rather than counted.
  void OnCollect(std::function<void()> collect);

  std::string PrintOpenMetrics() const;     // application/openmetrics-text; version=1.0.0
  std::string PrintPrometheusText() const;  // text/plain; version=0.0.4
  // application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited:
  // with native histograms.
  std::string PrintProtobuf() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Seconds: 50 us ... 10 s, about 3 to a decade.
std::span<const double> LatencyBounds();

}  // namespace slipway::base
