// SPDX-License-Identifier: Apache-2.0
// Intervals of means and shares, and what a bootstrap draws from. Private to this room but for
// Estimate, which stats.h and quality.h give away. Pure functions; the same numbers on every
// machine.
#pragma once

#include <cstdint>
#include <vector>

namespace slipway::monitoring {

struct Estimate {
  double value = 0;
  double lower = 0;
  double upper = 0;
};

// z of a two-sided normal interval.
double TwoSided(double confidence);
// A mean with its normal interval, from sums over n rows; not below `least`.
Estimate MeanOf(double sum, double squares, double n, double z, double least);
// A share with its interval (Wilson 1927).
Estimate Wilson(double successes, double n, double z);

// SplitMix64 (Steele et al. 2014).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  // Uniform in [0, below), by multiplication; the bias is below 2^-40 for a million rows.
  uint64_t Below(uint64_t below) {
    state_ += 0x9E3779B97F4A7C15ULL;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    z ^= z >> 31;
    __extension__ using Wide = unsigned __int128;
    return static_cast<uint64_t>((Wide{z} * below) >> 64);
  }

 private:
  uint64_t state_;
};

// Of sorted values; linear between neighbours (type 7 of Hyndman & Fan 1996).
double SortedQuantile(const std::vector<double>& values, double q);

}  // namespace slipway::monitoring
