// SPDX-License-Identifier: Apache-2.0
// A window's counts against the baseline's: PSI, its null distribution, and the verdict over all
// features.
#include "monitoring/drift.h"

#include <algorithm>

#include "drift/distributions.h"
#include "drift/significance.h"

namespace slipway::monitoring {
namespace {

using drift::kLeastRowsPerBin;
using drift::Share;
using drift::Total;

void FillShares(const FeatureProfile& profile, std::span<const int64_t> counts,
                FeatureDrift& drift) {
  const int64_t m = Total(profile.counts);
  for (size_t bin = 0; bin < counts.size(); ++bin) {
    drift.bins.push_back(
        {profile.bins.labels()[bin], Share(profile.counts[bin], m), Share(counts[bin], drift.n)});
  }
  drift.missing_share = drift.bins[FeatureBins::kMissing].current;
  if (drift.kind == FeatureKind::kNumeric) {
    drift.out_of_range_share =
        drift.bins[FeatureBins::kBelow].current + drift.bins[profile.bins.AboveBin()].current;
  } else {
    drift.unseen_share = drift.bins[FeatureBins::kUnseen].current;
  }
}

// Judges when both sides have kLeastRowsPerBin rows for each bin that the baseline fills.
void FillVerdict(const FeatureProfile& profile, std::span<const int64_t> counts,
                 FeatureDrift& drift) {
  const int64_t m = Total(profile.counts);
  int64_t baseline_bins = 0;
  int64_t occupied = 0;
  for (size_t bin = 0; bin < counts.size(); ++bin) {
    baseline_bins += profile.counts[bin] > 0 ? 1 : 0;
    occupied += profile.counts[bin] > 0 || counts[bin] > 0 ? 1 : 0;
  }
  const int64_t least = kLeastRowsPerBin * std::max<int64_t>(baseline_bins, 2);
  drift.needs_rows = std::max<int64_t>(0, least - drift.n);
  drift.judged = drift.needs_rows == 0 && m >= least;
  if (!drift.judged) return;
  const double scale = 1 / static_cast<double>(drift.n) + 1 / static_cast<double>(m);
  drift.p_value =
      occupied < 2 ? 1 : drift::ChiSquareTail(drift.psi / scale, static_cast<double>(occupied - 1));
}

}  // namespace

std::vector<FeatureDrift> MeasureDrift(std::span<const FeatureProfile> profiles,
                                       std::span<const std::vector<int64_t>> counts,
                                       double threshold, double alpha) {
  std::vector<FeatureDrift> drifts;
  std::vector<double> p_values;
  for (size_t i = 0; i < profiles.size(); ++i) {
    FeatureDrift drift;
    drift.name = profiles[i].bins.name();
    drift.kind = profiles[i].bins.kind();
    drift.n = Total(counts[i]);
    drift.threshold = threshold;
    drift.psi = drift::Psi(profiles[i].counts, counts[i]);
    FillShares(profiles[i], counts[i], drift);
    FillVerdict(profiles[i], counts[i], drift);
    if (drift.judged) p_values.push_back(drift.p_value);
    drifts.push_back(std::move(drift));
  }
  const std::vector<double> adjusted = drift::AdjustPValues(p_values);
  size_t next = 0;
  for (FeatureDrift& drift : drifts) {
    if (!drift.judged) continue;
    drift.p_adjusted = adjusted[next++];
    drift.drifted = drift.psi > threshold && drift.p_adjusted < alpha;
  }
  return drifts;
}

}  // namespace slipway::monitoring
