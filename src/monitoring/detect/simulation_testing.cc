// SPDX-License-Identifier: Apache-2.0
#include "monitoring/detect/simulation_testing.h"

#include <cmath>
#include <numbers>
#include <vector>

namespace slipway::monitoring {
namespace {

uint64_t NextBits(uint64_t& state) {  // SplitMix64
  state += 0x9E3779B97F4A7C15ULL;
  uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

double UniformOf(uint64_t& state) {  // (0, 1)
  return (static_cast<double>(NextBits(state) >> 11) + 0.5) * 0x1.0p-53;
}

}  // namespace

NormalStream::NormalStream(int64_t reference_rows, uint64_t seed)
    : state_(seed), profile_{FeatureBins::Numeric("x", {}), {}, {}} {
  std::vector<double> rows;
  for (int64_t i = 0; i < reference_rows; ++i) rows.push_back(Normal());
  profile_.bins = FeatureBins::Numeric("x", rows);
  profile_.counts = drift::ColumnCounts(profile_.bins, false);
  drift::CountNumbers(profile_.bins, rows, profile_.counts);
}

double NormalStream::Normal() {  // Box & Muller 1958
  has_spare_ = !has_spare_;
  if (!has_spare_) return spare_;
  const double radius = std::sqrt(-2 * std::log(UniformOf(state_)));
  const double angle = 2 * std::numbers::pi * UniformOf(state_);
  spare_ = radius * std::sin(angle);
  return radius * std::cos(angle);
}

uint8_t NormalStream::Next(double shift) {
  return static_cast<uint8_t>(profile_.bins.BinOfNumber(Normal() + shift));
}

ErrorStream::ErrorStream(int64_t reference_rows, double reference_rate, uint64_t seed)
    : state_(seed), rows_(reference_rows) {
  for (int64_t i = 0; i < reference_rows; ++i) wrong_ += Next(reference_rate);
}

uint8_t ErrorStream::Next(double rate) { return UniformOf(state_) < rate ? 1 : 0; }

}  // namespace slipway::monitoring
