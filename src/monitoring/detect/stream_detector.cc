// SPDX-License-Identifier: Apache-2.0
// Part of a prediction's walk after its answer: its bins move the charts of their streams. A block
// of values runs through registers; only a block in which a chart alarms is walked again.
#include "monitoring/detect/stream_detector.h"

#include <xmmintrin.h>

#include <algorithm>
#include <utility>

namespace slipway::monitoring {
namespace {

static_assert(kCharts == 8, "two registers of four");

struct Extremes {
  alignas(16) std::array<float, kCharts> most{};
  alignas(16) std::array<float, kCharts> least{};
};

void Run(std::span<const DetectorPlan::Steps> steps, const uint8_t* bins, size_t size,
         std::array<float, kCharts>& sums, Extremes& extremes) {
  const __m128 zero = _mm_setzero_ps();
  __m128 low = _mm_load_ps(sums.data());
  __m128 high = _mm_load_ps(sums.data() + 4);
  __m128 low_most = low;
  __m128 high_most = high;
  __m128 low_least = low;
  __m128 high_least = high;
  for (size_t i = 0; i < size; ++i) {
    const float* row = steps[bins[i]].data();
    low = _mm_max_ps(_mm_add_ps(low, _mm_loadu_ps(row)), zero);
    high = _mm_max_ps(_mm_add_ps(high, _mm_loadu_ps(row + 4)), zero);
    low_most = _mm_max_ps(low_most, low);
    high_most = _mm_max_ps(high_most, high);
    low_least = _mm_min_ps(low_least, low);
    high_least = _mm_min_ps(high_least, high);
  }
  _mm_store_ps(sums.data(), low);
  _mm_store_ps(sums.data() + 4, high);
  _mm_store_ps(extremes.most.data(), low_most);
  _mm_store_ps(extremes.most.data() + 4, high_most);
  _mm_store_ps(extremes.least.data(), low_least);
  _mm_store_ps(extremes.least.data() + 4, high_least);
}

}  // namespace

StreamDetector::StreamDetector(DetectorPlan plan) : plan_(std::move(plan)) {}

void StreamDetector::Add(std::span<const uint8_t> bins, base::Micros time) {
  const std::array<float, kCharts> before = sums_;
  Extremes extremes;
  Run(plan_.steps(), bins.data(), bins.size(), sums_, extremes);
  if (std::all_of(extremes.most.begin(), extremes.most.end(), [](float sum) { return sum < 1; })) {
    values_ += static_cast<int64_t>(bins.size());
    for (size_t chart = 0; chart < kCharts; ++chart) {
      if (extremes.least[chart] <= 0) zero_times_[chart] = time;
    }
  } else {
    sums_ = before;
    for (const uint8_t bin : bins) {
      const DetectorPlan::Steps& steps = plan_.steps()[bin];
      ++values_;
      size_t alarming = kCharts;
      for (size_t chart = 0; chart < kCharts; ++chart) {
        sums_[chart] = std::max(0.0f, sums_[chart] + steps[chart]);
        if (sums_[chart] >= 1 && alarming == kCharts) alarming = chart;
      }
      if (alarming != kCharts) Alarm(alarming, time);
    }
  }
  if (episode_ && values_ - last_alarm_ >= kQuietValues) episode_.reset();
}

void StreamDetector::Alarm(size_t chart, base::Micros time) {
  if (episode_ && values_ - last_alarm_ >= kQuietValues) episode_.reset();
  if (!episode_) {
    const base::Micros began = zero_times_[chart] == 0 ? time : zero_times_[chart];
    episode_ = DriftEpisode{plan_.ChartName(chart), began, time, values_, 0};
  }
  ++episode_->alarms;
  ++alarms_;
  last_alarm_ = values_;
  sums_.fill(0);
  zero_times_.fill(time);
}

double StreamDetector::level() const {
  return std::min(1.0f, *std::max_element(sums_.begin(), sums_.end()));
}

}  // namespace slipway::monitoring
