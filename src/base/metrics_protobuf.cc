// SPDX-License-Identifier: Apache-2.0
// The protobuf format of /metrics: io.prometheus.client.MetricFamily messages, each behind its
// length. It alone carries native histograms. The few fields are written by hand: their numbers are
// those of prometheus/client_model's metrics.proto.
#include <bit>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/metric_series.h"

namespace slipway::base {

namespace {

enum Wire : uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2 };

void AppendVarint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

void AppendKey(std::string& out, uint32_t field, Wire wire) {
  AppendVarint(out, field << 3 | wire);
}

void AppendNumber(std::string& out, uint32_t field, uint64_t value) {
  AppendKey(out, field, kVarint);
  AppendVarint(out, value);
}

void AppendDouble(std::string& out, uint32_t field, double value) {
  AppendKey(out, field, kFixed64);
  const auto bits = std::bit_cast<uint64_t>(value);
  for (int shift = 0; shift < 64; shift += 8) out += static_cast<char>(bits >> shift & 0xFF);
}

void AppendBytes(std::string& out, uint32_t field, std::string_view bytes) {
  AppendKey(out, field, kBytes);
  AppendVarint(out, bytes.size());
  out += bytes;
}

uint64_t ZigZag(int64_t value) {
  return static_cast<uint64_t>(value) << 1 ^ static_cast<uint64_t>(value >> 63);
}

// Runs of buckets that are not empty, and each count as its difference to the one before.
void AppendNative(std::string& out, const NativeBuckets& native) {
  std::string deltas;
  int64_t before = 0;
  int end = 0;  // one past the last bucket of the run before, by its own index
  for (int i = 0; i < NativeBuckets::kCount;) {
    if (native.At(i) == 0) {
      ++i;
      continue;
    }
    const int first = i;
    for (; i < NativeBuckets::kCount && native.At(i) != 0; ++i) {
      const auto count = static_cast<int64_t>(native.At(i));
      AppendNumber(deltas, 13, ZigZag(count - before));
      before = count;
    }
    const int index = NativeBuckets::kFirst + first;
    std::string span;
    AppendNumber(span, 1, ZigZag(index - end));
    AppendNumber(span, 2, static_cast<uint64_t>(i - first));
    AppendBytes(out, 12, span);
    end = NativeBuckets::kFirst + i;
  }
  out += deltas;
}

// A run's counts may rise while it is written: they are taken once.
struct Counts {
  std::vector<uint64_t> buckets;
  uint64_t total = 0;
};
Counts CountsOf(const AtomicHistogram& histogram) {
  Counts counts;
  for (size_t i = 0; i <= histogram.bounds().size(); ++i) {
    counts.total += histogram.Bucket(i);
    counts.buckets.push_back(counts.total);
  }
  return counts;
}

std::string HistogramBytes(const AtomicHistogram& histogram) {
  const Counts counts = CountsOf(histogram);
  std::string out;
  AppendNumber(out, 1, counts.total);
  AppendDouble(out, 2, histogram.Sum());
  for (size_t i = 0; i < histogram.bounds().size(); ++i) {
    std::string bucket;
    AppendNumber(bucket, 1, counts.buckets[i]);
    AppendDouble(bucket, 2, histogram.bounds()[i]);
    AppendBytes(out, 3, bucket);
  }
  AppendNumber(out, 5, ZigZag(NativeBuckets::kSchema));
  AppendDouble(out, 6, 1.0 / (1 << NativeBuckets::kPowers));
  AppendNumber(out, 7, histogram.native().zeros());
  AppendNative(out, histogram.native());
  return out;
}

std::string MetricBytes(const Series& series) {
  std::string out;
  for (const auto& [name, value] : series.labels) {
    std::string pair;
    AppendBytes(pair, 1, name);
    AppendBytes(pair, 2, value);
    AppendBytes(out, 1, pair);
  }
  std::string value;
  if (series.gauge) {
    AppendDouble(value, 1, series.gauge->Value());
    AppendBytes(out, 2, value);
  } else if (series.counter) {
    AppendDouble(value, 1, series.counter->Value());
    AppendBytes(out, 3, value);
  } else if (series.histogram) {
    AppendBytes(out, 7, HistogramBytes(*series.histogram));
  }
  return out;
}

uint64_t TypeOf(MetricKind kind) {
  switch (kind) {
    case MetricKind::kCounter:
      return 0;
    case MetricKind::kGauge:
      return 1;
    case MetricKind::kHistogram:
      return 4;
  }
  return 3;  // untyped
}

}  // namespace

std::string Metrics::PrintProtobuf() const {
  std::string out;
  state_->Collect([&] {
    for (const auto& [name, family] : state_->families) {
      std::string bytes;
      AppendBytes(bytes, 1, family.kind == MetricKind::kCounter ? name + "_total" : name);
      AppendBytes(bytes, 2, family.help);
      AppendNumber(bytes, 3, TypeOf(family.kind));
      for (const auto& [key, series] : family.series) AppendBytes(bytes, 4, MetricBytes(series));
      AppendVarint(out, bytes.size());
      out += bytes;
    }
  });
  return out;
}

}  // namespace slipway::base
