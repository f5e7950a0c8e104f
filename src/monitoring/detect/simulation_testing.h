// SPDX-License-Identifier: Apache-2.0
// Streams with a known moment of change, for the detectors' test and bench.
#pragma once

#include <cstdint>
#include <vector>

#include "monitoring/baseline.h"
#include "monitoring/detect/stream_detector.h"
#include "monitoring/intervals.h"

namespace slipway::monitoring {

// Same seed, same stream. Standard normal values in the bins of a baseline of standard normal rows.
class NormalStream {
 public:
  NormalStream(int64_t reference_rows, uint64_t seed);
  DetectorPlan Plan() const { return DetectorPlan::Numeric(profile_.counts.bins); }
  uint8_t Next(double shift);

 private:
  double Normal();
  uint64_t state_;
  double spare_ = 0;
  bool has_spare_ = false;
  FeatureProfile profile_;
};

// Right (0) and wrong (1) at a rate, against a reference of `reference_rows` at `reference_rate`.
class ErrorStream {
 public:
  ErrorStream(int64_t reference_rows, double reference_rate, uint64_t seed);
  DetectorPlan Plan() const { return DetectorPlan::Errors(wrong_, rows_); }
  uint8_t Next(double rate);

 private:
  uint64_t state_;
  int64_t rows_;
  int64_t wrong_ = 0;
};

// Alarms over `values` values at `level`, the level of the reference. They are drawn from 65 536 of
// the stream, which is quicker.
template <typename Stream>
int64_t CountAlarms(Stream& stream, double level, int64_t values) {
  std::vector<uint8_t> pool;
  for (int i = 0; i < 65'536; ++i) pool.push_back(stream.Next(level));
  StreamDetector detector(stream.Plan());
  Random random(1);
  std::vector<uint8_t> block(256);
  for (int64_t done = 0; done < values; done += static_cast<int64_t>(block.size())) {
    for (uint8_t& bin : block) bin = pool[random.Below(pool.size())];
    detector.Add(block, done);
  }
  return detector.alarms();
}

// Values from the change, after `quiet` values at `level`, to the alarm; an alarm before it starts
// the stream's history anew. `limit` when none came.
template <typename Stream>
int64_t Delay(Stream& stream, double level, double changed, int64_t quiet, int64_t limit) {
  StreamDetector detector(stream.Plan());
  const auto add = [&](double at_level, int64_t time) {
    const uint8_t bin = stream.Next(at_level);
    detector.Add({&bin, 1}, time);
  };
  for (int64_t i = 0; i < quiet; ++i) add(level, i);
  const int64_t before = detector.alarms();
  for (int64_t i = 1; i <= limit; ++i) {
    add(changed, quiet + i);
    if (detector.alarms() > before) return i;
  }
  return limit;
}

}  // namespace slipway::monitoring
