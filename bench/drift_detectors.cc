// SPDX-License-Identifier: Apache-2.0
// The sequential detectors on seeded streams: false alarms, median delay and cost, beside what
// river 0.26.1's detectors did on the same kind of streams (a run of its own: river is not called).
//   drift_detectors [millions of values without a change]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/clock.h"
#include "monitoring/detect/simulation_testing.h"

namespace slipway::monitoring {
namespace {

constexpr int kRuns = 401;
constexpr int64_t kQuiet = 3000;
constexpr int64_t kLimit = 20'000;

template <typename Stream>
int64_t Median(Stream& stream, double level, double changed) {
  std::vector<int64_t> delays;
  for (int i = 0; i < kRuns; ++i) delays.push_back(Delay(stream, level, changed, kQuiet, kLimit));
  std::nth_element(delays.begin(), delays.begin() + kRuns / 2, delays.end());
  return delays[kRuns / 2];
}

void ShowNormal(int64_t reference_rows, int64_t values) {
  int64_t alarms = 0;
  constexpr int64_t kStreams = 20;
  for (uint64_t seed = 0; seed < kStreams; ++seed) {
    NormalStream stream(reference_rows, seed);
    alarms += CountAlarms(stream, 0, values / kStreams);
  }
  std::printf("N(0,1), %lld rows of reference: %.2f false alarms in 100 000",
              static_cast<long long>(reference_rows),
              static_cast<double>(alarms) * 1e5 / static_cast<double>(values));
  NormalStream stream(reference_rows, 99);
  std::printf(
      "; smallest move with a chart %.2f; delays at 0.25 / 0.5 / 1 sigma: %lld / %lld / %lld\n",
      stream.Plan().smallest_shift(), static_cast<long long>(Median(stream, 0, 0.25)),
      static_cast<long long>(Median(stream, 0, 0.5)), static_cast<long long>(Median(stream, 0, 1)));
}

void ShowErrors(int64_t reference_rows, int64_t values) {
  int64_t alarms = 0;
  constexpr int64_t kStreams = 20;
  for (uint64_t seed = 0; seed < kStreams; ++seed) {
    ErrorStream stream(reference_rows, 0.15, seed);
    alarms += CountAlarms(stream, 0.15, values / kStreams);
  }
  ErrorStream stream(reference_rows, 0.15, 99);
  std::printf(
      "errors .15, %lld labelled rows of reference: %.2f false alarms in 100 000; delays to "
      ".20 / .25 / .35: %lld / %lld / %lld\n",
      static_cast<long long>(reference_rows),
      static_cast<double>(alarms) * 1e5 / static_cast<double>(values),
      static_cast<long long>(Median(stream, 0.15, 0.20)),
      static_cast<long long>(Median(stream, 0.15, 0.25)),
      static_cast<long long>(Median(stream, 0.15, 0.35)));
}

double NanosAValue() {
  NormalStream stream(20'000, 1);
  std::vector<uint8_t> bins;
  for (int i = 0; i < 100'000; ++i) bins.push_back(stream.Next(0));
  StreamDetector detector(stream.Plan());
  constexpr int kRounds = 100;
  const int64_t start = base::MonotonicNanos();
  for (int round = 0; round < kRounds; ++round) {
    for (size_t i = 0; i < bins.size(); i += 250)
      detector.Add(std::span(bins).subspan(i, 250), round);
  }
  return static_cast<double>(base::MonotonicNanos() - start) / (kRounds * 1e5);
}

}  // namespace
}  // namespace slipway::monitoring

int main(int argc, char** argv) {
  using namespace slipway::monitoring;
  const int64_t values = (argc > 1 ? std::max(1LL, std::atoll(argv[1])) : 20) * 1'000'000;
  for (const int64_t rows : {1000, 3000, 10'000, 20'000, 100'000}) ShowNormal(rows, values);
  for (const int64_t rows : {1000, 5000, 20'000}) ShowErrors(rows, values);
  std::printf("cost %.1f ns a value (the bin given)\n", NanosAValue());
  std::printf(
      "river: ADWIN 0 false alarms in 72 000; delays 295 / 119 / 39, errors 1223 / 311 / "
      "135; 280 ns a value\n"
      "river: PageHinkley 57 in 100 000; 229 / 93 / 47, 854 / 409 / 207; 950 ns. KSWIN 104; "
      "173 / 327 / 250; 235 000 ns\n");
  return 0;
}
