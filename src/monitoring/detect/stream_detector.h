// SPDX-License-Identifier: Apache-2.0
// StreamDetector: one stream of bins (a feature, the score, the errors) listened to value by value.
// An alarm begins an episode; it ends when kQuietValues have come without another. Private to this
// room.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/clock.h"
#include "monitoring/detect/detector_plan.h"

namespace slipway::monitoring {

inline constexpr int64_t kQuietValues = 10'000;

struct DriftEpisode {
  std::string what;           // the chart's name
  base::Micros began = 0;     // estimate: when its statistic last stood at 0
  base::Micros detected = 0;  // time of the value with the alarm, or of one shortly after
  int64_t value_number = 0;   // of that value, from 1
  int64_t alarms = 0;         // in this episode
};

// Not thread-safe. The same values give the same alarms, however they are cut into blocks.
class StreamDetector {
 public:
  explicit StreamDetector(DetectorPlan plan);
  const DetectorPlan& plan() const { return plan_; }

  // Values in their order, the last at `time`. Many at once cost the least.
  void Add(std::span<const uint8_t> bins, base::Micros time);

  int64_t values() const { return values_; }
  int64_t alarms() const { return alarms_; }
  const std::optional<DriftEpisode>& episode() const { return episode_; }  // the one that lasts
  // The nearest chart's way to its threshold: 0 to 1.
  double level() const;

 private:
  void Alarm(size_t chart, base::Micros time);

  DetectorPlan plan_;
  alignas(16) std::array<float, kCharts> sums_{};
  std::array<base::Micros, kCharts> zero_times_{};
  int64_t values_ = 0;
  int64_t alarms_ = 0;
  int64_t last_alarm_ = 0;  // its value's number
  std::optional<DriftEpisode> episode_;
};

}  // namespace slipway::monitoring
