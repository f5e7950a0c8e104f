// SPDX-License-Identifier: Apache-2.0
// How often the drift verdict alarms on 30 features without drift, and how often it sees a shift of
// 0.2 standard deviations in one of them; with and without an outlier. bench/run_drift prints it.
#include <algorithm>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include "drift/report.h"

namespace {

using namespace slipway::drift;  // a program of its own

constexpr int kFeatures = 30;
constexpr int kReferenceRows = 20'000;
constexpr int kReferences = 40;

using Random = std::mt19937_64;

std::vector<float> Normal(int rows, float shift, Random& random) {
  std::normal_distribution<float> noise(shift, 1);
  std::vector<float> values(static_cast<size_t>(rows));
  for (float& value : values) value = noise(random);
  return values;
}

ColumnProfile ProfileOf(const std::vector<float>& values, int feature) {
  std::vector<float> sorted = values;
  std::sort(sorted.begin(), sorted.end());
  ColumnProfile profile{
      FeatureBins::NumericOfSorted("f" + std::to_string(feature), sorted), "float", {}};
  profile.counts = ColumnCounts(profile.bins);
  CountNumbers(profile.bins, std::span<const float>(values), profile.counts);
  return profile;
}

struct Rates {
  double psi_01 = 0;
  double psi_02 = 0;
  double verdict = 0;
};

// One data set's reference of every feature. Several, so that the luck of one does not decide.
using Reference = std::vector<ColumnProfile>;

std::vector<Reference> References(Random& random) {
  std::vector<Reference> references(kReferences);
  for (Reference& reference : references) {
    for (int feature = 0; feature < kFeatures; ++feature)
      reference.push_back(ProfileOf(Normal(kReferenceRows, 0, random), feature));
  }
  return references;
}

// The first feature is moved by `shift` and has one value `outlier` (0: none).
Rates Alarms(const std::vector<Reference>& references, int windows, int rows, float shift,
             float outlier, Random& random) {
  Rates rates;
  for (int window = 0; window < windows; ++window) {
    const Reference& reference = references[static_cast<size_t>(window) % references.size()];
    std::vector<ColumnReport> columns;
    for (int feature = 0; feature < kFeatures; ++feature) {
      const ColumnProfile& profile = reference[static_cast<size_t>(feature)];
      std::vector<float> values = Normal(rows, feature == 0 ? shift : 0, random);
      if (feature == 0 && outlier != 0) values[0] = outlier;
      ColumnCounts counts(profile.bins);
      CountNumbers(profile.bins, std::span<const float>(values), counts);
      columns.push_back(CompareColumn(profile, counts, {.metrics = {"psi"}}));
    }
    JudgeColumns(columns, kAlpha);
    const auto any = [&](auto condition) {
      return std::any_of(columns.begin(), columns.end(), condition) ? 1.0 / windows : 0;
    };
    rates.psi_01 += any([](const ColumnReport& c) { return c.Find("psi")->value > 0.1; });
    rates.psi_02 += any([](const ColumnReport& c) { return c.Find("psi")->value > 0.2; });
    rates.verdict += any([](const ColumnReport& c) { return c.drifted; });
  }
  return rates;
}

}  // namespace

int main() {
  Random random(20'251);
  const std::vector<Reference> references = References(random);
  std::printf("%d features, reference %d rows; share of windows with any alarm\n", kFeatures,
              kReferenceRows);
  std::printf("%8s %8s | %9s %9s %9s | %12s %12s | %14s %14s\n", "rows", "windows", "PSI>0.1",
              "PSI>0.2", "verdict", "0.2s: PSI>.2", "0.2s verdict", "1e6, no drift", "1e6, 0.2s");
  for (const int rows : {100, 200, 500, 1000, 5000, 20'000, 100'000}) {
    const int windows = rows <= 1000 ? 400 : rows <= 5000 ? 200 : rows <= 20'000 ? 80 : 40;
    const Rates same = Alarms(references, windows, rows, 0, 0, random);
    const Rates moved = Alarms(references, windows / 2, rows, 0.2F, 0, random);
    const Rates outlier = Alarms(references, windows / 2, rows, 0, 1e6F, random);
    const Rates hidden = Alarms(references, windows / 2, rows, 0.2F, 1e6F, random);
    std::printf("%8d %8d | %9.3f %9.3f %9.3f | %12.3f %12.3f | %14.3f %14.3f\n", rows, windows,
                same.psi_01, same.psi_02, same.verdict, moved.psi_02, moved.verdict,
                outlier.verdict, hidden.verdict);
    std::fflush(stdout);
  }
}
