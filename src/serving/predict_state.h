// SPDX-License-Identifier: Apache-2.0
// What the calls of one Predictor share. Private to serving.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/threads.h"
#include "serving/limits.h"
#include "serving/predict.h"
#include "serving/series.h"

namespace slipway::serving {

inline Limits MakeLimits(const std::vector<std::string>& lines) {
  auto rules = ParseLimits(lines);
  CHECK(rules.ok(), "the limits were read before");
  return Limits(std::move(rules).TakeValue());
}

inline const traffic::ServedArm* FindArm(const traffic::ServedEndpoint& served,
                                         std::string_view name) {
  const auto found =
      std::find_if(served.arms.begin(), served.arms.end(),
                   [&](const traffic::ServedArm& arm) { return arm.arm.name == name; });
  return found == served.arms.end() ? nullptr : &*found;
}

inline base::Status EndpointNotFound(const std::string& endpoint) {
  return base::NotFound("endpoint_not_found", "there is no endpoint '" + endpoint + "'");
}

struct Predictor::State {
  State(std::unique_ptr<Routes> routes_given, Recorder& recorder_given,
        OutcomeObserver& observer_given, base::Clock& clock_given, base::Metrics& metrics,
        ServingSettings settings_given)
      : routes(std::move(routes_given)),
        recorder(recorder_given),
        observer(observer_given),
        clock(clock_given),
        settings(std::move(settings_given)),
        refuse_unlogged(settings.on_log_failure == "refuse"),
        limits(MakeLimits(settings.rate_limits)),
        series(metrics),
        unlogged(metrics.GetCounter("slipway_serving_unlogged",
                                    "Predictions that the log did not take.")),
        shadows_skipped(
            metrics.GetCounter("slipway_serving_shadows_skipped",
                               "Shadow runs left out because too many were in flight.")) {}

  const std::unique_ptr<Routes> routes;
  Recorder& recorder;
  OutcomeObserver& observer;
  base::Clock& clock;
  const ServingSettings settings;
  const bool refuse_unlogged;
  Limits limits;
  Series series;
  base::Counter& unlogged;
  base::Counter& shadows_skipped;
  std::atomic<int64_t> in_flight{0};
  std::atomic<int64_t> shadows{0};
  base::ThreadPool loads{"serve-load", 1, kMaxLoads};
};

}  // namespace slipway::serving
