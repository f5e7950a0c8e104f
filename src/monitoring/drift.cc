// SPDX-License-Identifier: Apache-2.0
// A window's counts against the baseline's: PSI, its null distribution, and the verdict over all
// features.
#include "monitoring/drift.h"

#include <algorithm>
#include <cmath>

#include "drift/distributions.h"
#include "drift/significance.h"

namespace slipway::monitoring {
namespace {

using drift::kLeastRowsPerBin;
using drift::Share;
using drift::Total;

void FillShares(const FeatureProfile& profile, std::span<const int64_t> counts,
                FeatureDrift& drift) {
  const int64_t m = Total(profile.counts.bins);
  for (size_t bin = 0; bin < counts.size(); ++bin) {
    drift.bins.push_back({profile.bins.labels()[bin], Share(profile.counts.bins[bin], m),
                          Share(counts[bin], drift.n)});
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
  const int64_t m = Total(profile.counts.bins);
  int64_t baseline_bins = 0;
  int64_t occupied = 0;
  for (size_t bin = 0; bin < counts.size(); ++bin) {
    baseline_bins += profile.counts.bins[bin] > 0 ? 1 : 0;
    occupied += profile.counts.bins[bin] > 0 || counts[bin] > 0 ? 1 : 0;
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
                                       std::span<const drift::ColumnCounts> counts,
                                       double threshold, double alpha) {
  std::vector<FeatureDrift> drifts;
  std::vector<double> p_values;
  std::vector<drift::ColumnReport> reports;
  const drift::CompareOptions options{threshold, alpha, {}};
  for (size_t i = 0; i < profiles.size(); ++i) {
    FeatureDrift drift;
    drift.name = profiles[i].bins.name();
    drift.kind = profiles[i].bins.kind();
    drift.n = Total(counts[i].bins);
    drift.threshold = threshold;
    drift.psi = drift::Psi(profiles[i].counts.bins, counts[i].bins);
    FillShares(profiles[i], counts[i].bins, drift);
    FillVerdict(profiles[i], counts[i].bins, drift);
    if (drift.judged) p_values.push_back(drift.p_value);
    drifts.push_back(std::move(drift));
    reports.push_back(drift::CompareColumn(profiles[i], counts[i], options));
  }
  const std::vector<double> adjusted = drift::AdjustPValues(p_values);
  drift::JudgeColumns(reports, alpha);
  for (size_t i = 0; i < drifts.size(); ++i) drifts[i].report = std::move(reports[i]);
  size_t next = 0;
  for (FeatureDrift& drift : drifts) {
    if (!drift.judged) continue;
    drift.p_adjusted = adjusted[next++];
    drift.drifted = drift.psi > threshold && drift.p_adjusted < alpha;
  }
  return drifts;
}

void Attribute(const Baseline& baseline, std::span<const drift::ColumnCounts> counts,
               std::span<FeatureDrift> drifts) {
  for (size_t i = 0; i < drifts.size() && i < baseline.mean_scores.size(); ++i) {
    const std::vector<int64_t>& reference = baseline.features[i].counts.bins;
    const std::vector<double>& means = baseline.mean_scores[i];
    const int64_t m = Total(reference);
    int64_t known = 0;  // rows of the window in bins that have a mean
    for (size_t bin = 0; bin < means.size(); ++bin)
      known += std::isnan(means[bin]) ? 0 : counts[i].bins[bin];
    drifts[i].unexplained_share = 1 - Share(known, drifts[i].n);
    if (known == 0) continue;
    double moved = 0;
    for (size_t bin = 0; bin < means.size(); ++bin) {
      if (!std::isnan(means[bin]))
        moved += (Share(counts[i].bins[bin], known) - Share(reference[bin], m)) * means[bin];
    }
    drifts[i].contribution = moved;
  }
}

}  // namespace slipway::monitoring
