// SPDX-License-Identifier: Apache-2.0
// The numbers of a window's quality, and the paired comparison that the gate "better than
// production" stands on.
#include "monitoring/stats.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "monitoring/intervals.h"

namespace slipway::monitoring {
namespace {

bool Before(const ScoredLabel& a, const ScoredLabel& b) {
  return a.score != b.score ? a.score < b.score : a.label < b.label;
}

// Rows of equal score.
struct Ties {
  uint64_t positives = 0;
  uint64_t negatives = 0;
};

struct Ranking {
  std::vector<Ties> ties;  // scores rising
  uint64_t positives = 0;
  uint64_t negatives = 0;
  double auc = 0;
};

// `rows` sorted by score. nullopt unless both classes are there.
std::optional<Ranking> Rank(std::span<const ScoredLabel> rows) {
  Ranking ranking;
  uint64_t twice_u = 0;
  for (size_t i = 0; i < rows.size();) {
    Ties ties;
    const double score = rows[i].score;
    for (; i < rows.size() && rows[i].score == score; ++i) {
      ++(rows[i].label ? ties.positives : ties.negatives);
    }
    twice_u += ties.positives * (2 * ranking.negatives + ties.negatives);
    ranking.positives += ties.positives;
    ranking.negatives += ties.negatives;
    ranking.ties.push_back(ties);
  }
  if (ranking.positives == 0 || ranking.negatives == 0) return std::nullopt;
  ranking.auc = static_cast<double>(twice_u) / (2 * static_cast<double>(ranking.positives) *
                                                static_cast<double>(ranking.negatives));
  return ranking;
}

std::vector<ScoredLabel> Sorted(std::span<const ScoredLabel> rows) {
  std::vector<ScoredLabel> sorted(rows.begin(), rows.end());
  std::sort(sorted.begin(), sorted.end(), Before);
  return sorted;
}

// DeLong: the variance of the AUC from each row's share of the other class that it ranks right.
Estimate DeLong(const Ranking& ranking, double confidence) {
  if (ranking.positives < 2 || ranking.negatives < 2) return {ranking.auc, 0, 1};
  const double positives = static_cast<double>(ranking.positives);
  const double negatives = static_cast<double>(ranking.negatives);
  double below_positives = 0;
  double below_negatives = 0;
  double squares_positive = 0;
  double squares_negative = 0;
  for (const Ties& ties : ranking.ties) {
    const double p = static_cast<double>(ties.positives);
    const double n = static_cast<double>(ties.negatives);
    const double right_positive = (below_negatives + n / 2) / negatives - ranking.auc;
    const double right_negative = (positives - below_positives - p / 2) / positives - ranking.auc;
    squares_positive += p * right_positive * right_positive;
    squares_negative += n * right_negative * right_negative;
    below_positives += p;
    below_negatives += n;
  }
  const double variance = squares_positive / (positives - 1) / positives +
                          squares_negative / (negatives - 1) / negatives;
  const double reach = TwoSided(confidence) * std::sqrt(variance);
  return {ranking.auc, std::max(0.0, ranking.auc - reach), std::min(1.0, ranking.auc + reach)};
}

// One model's rows in the order of its scores, found once: a resample then only changes how often
// each row counts.
class SortedScores {
 public:
  explicit SortedScores(const std::vector<double>& scores)
      : order_(scores.size()), last_of_ties_(scores.size()) {
    std::iota(order_.begin(), order_.end(), 0u);
    std::sort(order_.begin(), order_.end(),
              [&](uint32_t a, uint32_t b) { return scores[a] < scores[b]; });
    for (size_t i = 0; i < order_.size(); ++i) {
      last_of_ties_[i] = i + 1 == order_.size() || scores[order_[i]] != scores[order_[i + 1]];
    }
  }
  // counts[row]: how often the row is there, as a positive in the upper half, as a negative in the
  // lower.
  double Auc(std::span<const uint64_t> counts) const {
    uint64_t twice_u = 0;
    uint64_t positives = 0;
    uint64_t negatives = 0;
    uint64_t ties = 0;
    for (size_t i = 0; i < order_.size(); ++i) {
      ties += counts[order_[i]];
      if (last_of_ties_[i] == 0) continue;
      const uint64_t p = ties >> 32;
      const uint64_t n = ties & 0xFFFFFFFFu;
      twice_u += p * (2 * negatives + n);
      positives += p;
      negatives += n;
      ties = 0;
    }
    return static_cast<double>(twice_u) /
           (2 * static_cast<double>(positives) * static_cast<double>(negatives));
  }

 private:
  std::vector<uint32_t> order_;
  std::vector<uint8_t> last_of_ties_;
};

constexpr uint64_t kPositive = uint64_t{1} << 32;
constexpr int64_t kMaxResamples = 100'000;

// Draws rows with replacement until both classes are there; false when that does not happen.
bool Draw(std::span<const uint8_t> labels, Random& random, std::vector<uint64_t>& counts) {
  constexpr int kTries = 100;
  for (int attempt = 0; attempt < kTries; ++attempt) {
    std::fill(counts.begin(), counts.end(), 0);
    uint64_t total = 0;
    for (size_t i = 0; i < labels.size(); ++i) {
      const uint64_t row = random.Below(labels.size());
      const uint64_t one = labels[row] != 0 ? kPositive : 1;
      counts[row] += one;
      total += one;
    }
    if ((total >> 32) != 0 && (total & 0xFFFFFFFFu) != 0) return true;
  }
  return false;
}

base::Status CheckComparison(std::span<const uint8_t> labels,
                             std::span<const std::vector<double>> scores, size_t reference,
                             const BootstrapSettings& settings) {
  if (reference >= scores.size())
    return base::InvalidArgument("reference", "expected the index of a model");
  if (labels.size() > UINT32_MAX)
    return base::InvalidArgument("labels", "expected fewer than 2^32 rows");
  if (settings.resamples < 2 || settings.resamples > kMaxResamples) {
    return base::InvalidArgument("resamples", "expected 2 to " + std::to_string(kMaxResamples));
  }
  for (size_t model = 0; model < scores.size(); ++model) {
    const std::string field = "scores[" + std::to_string(model) + "]";
    if (scores[model].size() != labels.size()) {
      return base::InvalidArgument(field, "expected " + std::to_string(labels.size()) +
                                              " scores, got " +
                                              std::to_string(scores[model].size()));
    }
    if (std::any_of(scores[model].begin(), scores[model].end(),
                    [](double s) { return std::isnan(s); })) {
      return base::InvalidArgument(field, "a score is not a number");
    }
  }
  const auto positives =
      std::count_if(labels.begin(), labels.end(), [](uint8_t label) { return label != 0; });
  if (positives == 0 || positives == static_cast<std::ptrdiff_t>(labels.size())) {
    return base::FailedPrecondition("one_class",
                                    "the labels are all of one class: AUC has no value");
  }
  return base::Status::Ok();
}

double BrierOf(std::span<const uint8_t> labels, const std::vector<double>& scores) {
  double sum = 0;
  for (size_t i = 0; i < labels.size(); ++i) {
    const double miss = scores[i] - (labels[i] != 0 ? 1 : 0);
    sum += miss * miss;
  }
  return sum / static_cast<double>(labels.size());
}

}  // namespace

std::optional<double> Auc(std::span<const ScoredLabel> rows) {
  const std::optional<Ranking> ranking = Rank(Sorted(rows));
  if (!ranking) return std::nullopt;
  return ranking->auc;
}

std::optional<Estimate> AucWithInterval(std::span<const ScoredLabel> rows, double confidence) {
  const std::optional<Ranking> ranking = Rank(Sorted(rows));
  if (!ranking) return std::nullopt;
  return DeLong(*ranking, confidence);
}

std::optional<QualityEstimates> MeasureQuality(std::vector<ScoredLabel>& rows, double confidence) {
  if (rows.empty()) return std::nullopt;
  std::sort(rows.begin(), rows.end(), Before);  // also fixes the order of the sums below
  double brier = 0;
  double brier_squares = 0;
  double loss = 0;
  double loss_squares = 0;
  int64_t right = 0;
  QualityEstimates quality;
  for (const ScoredLabel& row : rows) {
    const double miss = row.score - (row.label ? 1 : 0);
    const double square = miss * miss;
    brier += square;
    brier_squares += square * square;
    const double p = std::clamp(row.label ? row.score : 1 - row.score, 1e-15, 1 - 1e-15);
    const double log_loss = -std::log(p);
    loss += log_loss;
    loss_squares += log_loss * log_loss;
    right += (row.score > 0.5) == row.label ? 1 : 0;
    quality.positives += row.label ? 1 : 0;
  }
  quality.n = static_cast<int64_t>(rows.size());
  const double n = static_cast<double>(rows.size());
  const double z = TwoSided(confidence);
  quality.brier = MeanOf(brier, brier_squares, n, z, 0);
  quality.log_loss = MeanOf(loss, loss_squares, n, z, 0);
  quality.accuracy = Wilson(static_cast<double>(right), n, z);
  if (const std::optional<Ranking> ranking = Rank(rows)) quality.auc = DeLong(*ranking, confidence);
  return quality;
}

base::Result<std::vector<AucComparison>> CompareAuc(std::span<const uint8_t> labels,
                                                    std::span<const std::vector<double>> scores,
                                                    size_t reference,
                                                    const BootstrapSettings& settings) {
  TRY(CheckComparison(labels, scores, reference, settings));
  std::vector<SortedScores> models;
  for (const std::vector<double>& model : scores) models.emplace_back(model);

  std::vector<uint64_t> counts(labels.size());
  for (size_t i = 0; i < labels.size(); ++i) counts[i] = labels[i] != 0 ? kPositive : 1;
  std::vector<AucComparison> comparisons(scores.size());
  for (size_t model = 0; model < models.size(); ++model) {
    comparisons[model].auc = models[model].Auc(counts);
    comparisons[model].brier = BrierOf(labels, scores[model]);
  }
  Random random(settings.seed);
  std::vector<std::vector<double>> differences(models.size());
  for (int64_t resample = 0; resample < settings.resamples; ++resample) {
    if (!Draw(labels, random, counts)) {
      return base::FailedPrecondition(
          "one_class", "resampled labels are all of one class: too few rows to compare");
    }
    const double reference_auc = models[reference].Auc(counts);
    for (size_t model = 0; model < models.size(); ++model) {
      if (model != reference)
        differences[model].push_back(models[model].Auc(counts) - reference_auc);
    }
  }
  for (size_t model = 0; model < models.size(); ++model) {
    if (model == reference) continue;
    AucComparison& comparison = comparisons[model];
    std::sort(differences[model].begin(), differences[model].end());
    comparison.difference = comparison.auc - comparisons[reference].auc;
    comparison.lower = SortedQuantile(differences[model], (1 - settings.confidence) / 2);
    comparison.upper = SortedQuantile(differences[model], (1 + settings.confidence) / 2);
  }
  return comparisons;
}

}  // namespace slipway::monitoring
