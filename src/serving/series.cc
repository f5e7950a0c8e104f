// SPDX-License-Identifier: Apache-2.0
// A prediction, last step of serving: it is counted.
#include "serving/series.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <unordered_map>
#include <vector>

namespace slipway::serving {
namespace {

constexpr size_t kCodes = 17;
constexpr size_t kMostEndpoints = 4096;  // a thread's cache starts afresh past it
constexpr size_t kMostArms = 64;

struct ArmSeries {
  std::string arm;
  int64_t version = 0;
  std::array<base::Counter*, kCodes> requests{};
  base::Histogram* seconds = nullptr;
};

struct EndpointSeries {
  int64_t epoch = 0;
  std::vector<ArmSeries> arms;
};

struct TextHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

struct Cache {
  uint64_t instance = 0;
  std::unordered_map<std::string, EndpointSeries, TextHash, std::equal_to<>> endpoints;
};

EndpointSeries& FindEndpoint(uint64_t instance, std::string_view endpoint, int64_t epoch) {
  thread_local Cache cache;
  if (cache.instance != instance || cache.endpoints.size() > kMostEndpoints) {
    cache.endpoints.clear();
    cache.instance = instance;
  }
  auto found = cache.endpoints.find(endpoint);
  if (found == cache.endpoints.end())
    found = cache.endpoints.emplace(std::string(endpoint), EndpointSeries{}).first;
  EndpointSeries& series = found->second;
  if (series.epoch != epoch || series.arms.size() > kMostArms) {
    series.arms.clear();
    series.epoch = epoch;
  }
  return series;
}

uint64_t NextInstance() {
  static std::atomic<uint64_t> last{0};
  return ++last;
}

}  // namespace

Series::Series(base::Metrics& metrics) : metrics_(metrics), instance_(NextInstance()) {}

void Series::Count(std::string_view endpoint, int64_t epoch, std::string_view arm, int64_t version,
                   base::Code code, int64_t total_ns) {
  EndpointSeries& series = FindEndpoint(instance_, endpoint, epoch);
  auto found = std::find_if(series.arms.begin(), series.arms.end(), [&](const ArmSeries& one) {
    return one.version == version && one.arm == arm;
  });
  if (found == series.arms.end()) {
    base::Histogram& seconds = metrics_.GetHistogram(
        "slipway_serving_request_seconds",
        "Time from the request's decoding to its answer, by endpoint and arm.",
        base::LatencyBounds(), {{"endpoint", std::string(endpoint)}, {"arm", std::string(arm)}});
    series.arms.push_back({std::string(arm), version, {}, &seconds});
    found = series.arms.end() - 1;
  }
  base::Counter*& requests = found->requests[static_cast<size_t>(code)];
  if (requests == nullptr) {
    requests = &metrics_.GetCounter("slipway_serving_requests",
                                    "Attempts to answer a prediction, by their outcome.",
                                    {{"endpoint", std::string(endpoint)},
                                     {"version", std::to_string(version)},
                                     {"arm", std::string(arm)},
                                     {"code", std::string(base::CodeName(code))}});
  }
  requests->Add();
  found->seconds->Observe(static_cast<double>(total_ns) * 1e-9);
}

}  // namespace slipway::serving
