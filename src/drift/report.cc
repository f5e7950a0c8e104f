// SPDX-License-Identifier: Apache-2.0
// A drift report: scores of each column (distances.h), what chance explains of them
// (significance.h), then one verdict over all columns.
#include "drift/report.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "drift/kolmogorov.h"
#include "drift/significance.h"

namespace slipway::drift {
namespace {

constexpr std::array<std::string_view, 14> kMetrics = {
    "psi",     "kl",        "js",         "js_bits",    "wasserstein",     "wasserstein_normed",
    "ks",      "hellinger", "chi_square", "l_infinity", "total_variation", "rank_sum",
    "missing", "range"};

double HellingerSquared(Counts reference, Counts current) {
  const double distance = HellingerDistance(reference, current);
  return distance * distance;
}

// What is compared, and where the results go.
class Comparison {
 public:
  Comparison(const ColumnProfile& reference, const ColumnCounts& current,
             const CompareOptions& options, const std::optional<SampleDistances>& sample)
      : reference_(reference),
        bins_(reference.bins),
        current_(current),
        options_(options),
        sample_(sample),
        m_(Total(reference.counts.bins)),
        n_(Total(current.bins)),
        joined_(reference.bins.kind() == FeatureKind::kNumeric
                    ? JoinNeighbours(reference.counts.bins, current.bins)
                    : JoinCategories(reference.counts.bins, current.bins)) {}

  ColumnReport Run();

 private:
  [[nodiscard]] bool Wanted(std::string_view metric) const {
    return options_.metrics.empty() || std::find(options_.metrics.begin(), options_.metrics.end(),
                                                 metric) != options_.metrics.end();
  }
  void Add(std::string_view metric, double value, std::optional<double> p_value, double error = 0) {
    if (Wanted(metric)) report_.scores.push_back({metric, value, error, p_value});
  }
  void AddDivergences();
  void AddCdfDistances();
  void AddTests();
  void FillShares();
  void Judge();
  [[nodiscard]] bool EnoughPerBin() const;
  // Of rows that are there.
  [[nodiscard]] int64_t Present(const ColumnCounts& counts, int64_t rows) const {
    return rows - counts.Missing();
  }

  const ColumnProfile& reference_;
  const FeatureBins& bins_;
  const ColumnCounts& current_;
  const CompareOptions& options_;
  const std::optional<SampleDistances>& sample_;
  const int64_t m_;
  const int64_t n_;
  const JoinedCounts joined_;  // what null distributions are of
  ColumnReport report_;
};

bool Comparison::EnoughPerBin() const {
  const int64_t filled = std::count_if(reference_.counts.bins.begin(), reference_.counts.bins.end(),
                                       [](int64_t count) { return count > 0; });
  return std::min(m_, n_) >= kLeastRowsPerBin * std::max<int64_t>(filled, 2);
}

void Comparison::AddDivergences() {
  const Counts r = reference_.counts.bins;
  const Counts c = current_.bins;
  const bool enough = EnoughPerBin();
  const auto tail = [&](double (*distance)(Counts, Counts), double times) {
    return enough
               ? std::optional(DivergenceTail(times * distance(joined_.reference, joined_.current),
                                              joined_.reference, joined_.current))
               : std::nullopt;
  };
  const double psi = Psi(r, c);
  report_.above_threshold = psi > options_.psi_threshold;
  Add("psi", psi, tail(Psi, 1));
  Add("kl", KullbackLeibler(r, c), tail(KullbackLeibler, 2));
  const double js = JensenShannonDivergence(r, c);
  const std::optional<double> js_tail = tail(JensenShannonDivergence, 8);
  Add("js", std::sqrt(js), js_tail);
  Add("js_bits", std::sqrt(js / std::numbers::ln2), js_tail);
  Add("hellinger", HellingerDistance(r, c), tail(HellingerSquared, 8));
  if (Wanted("chi_square")) {
    Add("chi_square", ChiSquareTwoSample(r, c).statistic,
        ChiSquareTwoSample(joined_.reference, joined_.current).p_value);
  }
  if (Wanted("l_infinity")) {
    const double l_infinity = LInfinity(r, c);
    Add("l_infinity", l_infinity, LInfinityTail(l_infinity, r, c));
  }
  if (Wanted("total_variation")) {
    const double total_variation = TotalVariation(r, c);
    Add("total_variation", total_variation, TotalVariationTail(total_variation, r, c));
  }
}

void Comparison::AddCdfDistances() {
  const ColumnCounts& r = reference_.counts;
  if (r.fine.empty() || current_.fine.empty()) return;
  const int64_t m = Present(r, m_);
  const int64_t n = Present(current_, n_);
  if (m == 0 || n == 0) return;
  GridDistance ks = KolmogorovSmirnov(r, current_);
  GridDistance area = Wasserstein(bins_.grid(), r, current_);
  if (sample_) {
    ks = {sample_->kolmogorov_smirnov, 0};
    area = {sample_->wasserstein, 0};
  }
  std::optional<double> p_value;
  if (Wanted("wasserstein") || Wanted("wasserstein_normed"))
    p_value = WassersteinTail(area.value, bins_.grid(), r, current_);
  Add("wasserstein", area.value, p_value, area.error);
  const double deviation = std::sqrt(r.moments.Variance());
  if (deviation > 0) {
    Add("wasserstein_normed", area.value / deviation, p_value, area.error / deviation);
  }
  const double ks_tail = QuickTwoSampleKsTail(m, n, ks.value);
  Add("ks", ks.value, ks_tail, ks.error);
  const TestOutcome ranks = RankSum(r.fine, current_.fine);
  Add("rank_sum", ranks.statistic, ranks.p_value);
  report_.tests.push_back({"ks", 0.3, ks_tail});
  report_.tests.push_back({"rank_sum", 0.3, ranks.p_value});
}

void Comparison::AddTests() {
  const ColumnCounts& r = reference_.counts;
  const int64_t m = Present(r, m_);
  const int64_t n = Present(current_, n_);
  const double missing = m_ > 0 && n_ > 0 ? ShareTest(r.Missing(), m_, current_.Missing(), n_) : 1;
  const double more_missing = Share(current_.Missing(), n_) - Share(r.Missing(), m_);
  Add("missing", more_missing, missing);
  const double bins = ChiSquareTwoSample(joined_.reference, joined_.current).p_value;
  if (bins_.kind() == FeatureKind::kCategorical) {
    const int64_t unseen = current_.bins[FeatureBins::kUnseen];
    const int64_t expected = std::min(bins_.singletons(), m);
    const double p = m > 0 && n > 0 ? ShareTest(expected, m, unseen, n) : 1;
    // Fewer unseen ones than expected are no news.
    const double unseen_tail = Share(unseen, n) > Share(expected, m) ? p : 1;
    Add("range", Share(unseen, n), unseen_tail);
    report_.tests.push_back({"bins", 0.7, bins});
    report_.tests.push_back({"missing", 0.1, missing});
    report_.tests.push_back({"unseen", 0.2, unseen_tail});
    return;
  }
  const int64_t below = current_.bins[FeatureBins::kBelow];
  const int64_t above = current_.bins[bins_.AboveBin()];
  const double range =
      m > 0 && n > 0
          ? std::min(1.0, 2 * std::min(BeyondRangeTest(m, below, n), BeyondRangeTest(m, above, n)))
          : 1;
  Add("range", Share(below + above, n), range);
  report_.tests.push_back({"bins", 0.2, bins});
  report_.tests.push_back({"missing", 0.1, missing});
  report_.tests.push_back({"range", 0.1, range});
}

void Comparison::FillShares() {
  for (size_t bin = 0; bin < current_.bins.size(); ++bin) {
    report_.bins.push_back({bins_.labels()[bin], Share(reference_.counts.bins[bin], m_),
                            Share(current_.bins[bin], n_)});
  }
  report_.reference_missing_share = Share(reference_.counts.Missing(), m_);
  report_.missing_share = Share(current_.Missing(), n_);
  if (bins_.kind() == FeatureKind::kNumeric) {
    report_.out_of_range_share =
        Share(current_.bins[FeatureBins::kBelow] + current_.bins[bins_.AboveBin()], n_);
  } else {
    report_.unseen_share = Share(current_.bins[FeatureBins::kUnseen], n_);
  }
}

void Comparison::Judge() {
  const bool reference_is_small = m_ < kLeastRows;
  report_.reference_is_small = reference_is_small;
  report_.needs_rows = std::max<int64_t>(0, kLeastRows - (reference_is_small ? m_ : n_));
  report_.judged = report_.needs_rows == 0;
  if (!report_.judged) return;
  double least = 1;
  for (const TestPart& test : report_.tests) {
    const double weighted = test.p_value / test.share;
    if (weighted >= least) continue;
    least = weighted;
    report_.decided_by = test.name;
  }
  report_.p_value = least;
}

ColumnReport Comparison::Run() {
  report_.name = bins_.name();
  report_.kind = bins_.kind();
  report_.reference_rows = m_;
  report_.rows = n_;
  report_.reference_moments = reference_.counts.moments;
  report_.moments = current_.moments;
  FillShares();
  AddDivergences();
  AddCdfDistances();
  AddTests();
  Judge();
  const auto place = [](const Score& score) {
    return std::find(kMetrics.begin(), kMetrics.end(), score.name);
  };
  std::sort(report_.scores.begin(), report_.scores.end(),
            [&](const Score& a, const Score& b) { return place(a) < place(b); });
  return std::move(report_);
}

}  // namespace

std::span<const std::string_view> Metrics() { return kMetrics; }

const Score* ColumnReport::Find(std::string_view metric) const {
  const auto found = std::find_if(scores.begin(), scores.end(),
                                  [&](const Score& score) { return score.name == metric; });
  return found == scores.end() ? nullptr : &*found;
}

ColumnReport CompareColumn(const ColumnProfile& reference, const ColumnCounts& current,
                           const CompareOptions& options,
                           const std::optional<SampleDistances>& sample) {
  return Comparison(reference, current, options, sample).Run();
}

void JudgeColumns(std::span<ColumnReport> columns, double alpha) {
  std::vector<double> p_values;
  for (const ColumnReport& column : columns) {
    if (column.judged) p_values.push_back(column.p_value);
  }
  const std::vector<double> adjusted = AdjustPValues(p_values);
  size_t next = 0;
  for (ColumnReport& column : columns) {
    if (!column.judged) continue;
    column.p_adjusted = adjusted[next++];
    column.drifted = column.p_adjusted < alpha;
  }
}

}  // namespace slipway::drift
