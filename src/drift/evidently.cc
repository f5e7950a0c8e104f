// SPDX-License-Identifier: Apache-2.0
// What `slipway drift --compat evidently` prints. Every rule here is Evidently's (and numpy's and
// scipy's below it), also where a better one is known; report.cc has ours.
#include "drift/evidently.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "drift/distances.h"
#include "drift/distributions.h"
#include "drift/kolmogorov.h"

namespace slipway::drift {
namespace {

struct Method {
  std::string_view name;
  std::string_view display_name;
  double threshold;
  bool numeric;
  bool categorical;
};
constexpr std::array<Method, 8> kMethods = {{
    {"psi", "PSI", 0.1, true, true},
    {"kl_div", "Kullback-Leibler divergence", 0.1, true, true},
    {"jensenshannon", "Jensen-Shannon distance", 0.1, true, true},
    {"wasserstein", "Wasserstein distance (normed)", 0.1, true, false},
    {"ks", "K-S p_value", 0.05, true, false},
    {"hellinger", "Hellinger distance", 0.1, true, true},
    {"chisquare", "chi-square p_value", 0.05, false, true},
    {"z", "Z-test p_value", 0.05, false, true},
}};
constexpr size_t kMostOwnValues = 20;  // with more a numeric column is binned
constexpr int64_t kSmallReference = 1000;
constexpr double kSmallShare = 1e-4;
constexpr double kLeastDeviation = 0.001;

const Method* Find(std::string_view name) {
  const auto found = std::find_if(kMethods.begin(), kMethods.end(),
                                  [&](const Method& method) { return method.name == name; });
  return found == kMethods.end() ? nullptr : &*found;
}

// numpy.histogram_bin_edges(values, "sturges") for `count` values between `least` and `most`.
std::vector<double> SturgesEdges(double least, double most, size_t count, bool integers) {
  double width = (most - least) / (std::log2(static_cast<double>(count)) + 1);
  if (integers && width > 0 && width < 1) width = 1;
  const size_t bins =
      width > 0 ? static_cast<size_t>(std::ceil((most - least) / width)) : size_t{1};
  if (least == most) {
    least -= 0.5;
    most += 0.5;
  }
  const double step = (most - least) / static_cast<double>(bins);
  std::vector<double> edges;
  for (size_t i = 0; i < bins; ++i) edges.push_back(static_cast<double>(i) * step + least);
  edges.push_back(most);
  return edges;
}

// numpy.histogram: a bin has its lower edge, the last one both.
std::vector<double> Histogram(const std::vector<double>& sorted, const std::vector<double>& edges) {
  std::vector<double> counts;
  auto from = std::lower_bound(sorted.begin(), sorted.end(), edges.front());
  for (size_t i = 1; i < edges.size(); ++i) {
    const auto to = i + 1 == edges.size() ? std::upper_bound(from, sorted.end(), edges[i])
                                          : std::lower_bound(from, sorted.end(), edges[i]);
    counts.push_back(static_cast<double>(to - from));
    from = to;
  }
  return counts;
}

void FillZeros(std::vector<double>& shares) {
  double least = 1;
  for (const double share : shares) least = share > 0 ? std::min(least, share) : least;
  const double fill = least <= kSmallShare ? least / 1e6 : kSmallShare;
  for (double& share : shares) share = share == 0 ? fill : share;
}

void Divide(std::vector<double>& values, double by) {
  for (double& value : values) value /= by;
}

double Sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

void DropNonFinite(std::vector<double>& values) {
  std::erase_if(values, [](double value) { return !std::isfinite(value); });
  std::sort(values.begin(), values.end());
}

size_t Distinct(const std::vector<double>& sorted) {
  size_t distinct = sorted.empty() ? 0 : 1;
  for (size_t i = 1; i < sorted.size(); ++i) distinct += sorted[i] != sorted[i - 1] ? 1 : 0;
  return distinct;
}

base::Status Empty(const std::string& name, std::string_view side) {
  return base::InvalidArgument(
      name, "the " + std::string(side) + " side has no finite value in this column",
      "empty_column");
}

}  // namespace

template <typename T>
void EvidentlyColumn::CountPairs(const std::vector<T>& reference, const std::vector<T>& current) {
  size_t i = 0;
  size_t j = 0;
  while (i < reference.size() || j < current.size()) {
    const bool of_reference =
        j == current.size() || (i < reference.size() && reference[i] <= current[j]);
    const T value = of_reference ? reference[i] : current[j];
    Pair pair;
    for (; i < reference.size() && reference[i] == value; ++i) ++pair.reference;
    for (; j < current.size() && current[j] == value; ++j) ++pair.current;
    pairs_.push_back(pair);
  }
  m_ = static_cast<int64_t>(reference.size());
  n_ = static_cast<int64_t>(current.size());
}

base::Result<EvidentlyColumn> EvidentlyColumn::OfNumbers(std::string name, FeatureKind kind,
                                                         bool integers,
                                                         std::vector<double> reference,
                                                         std::vector<double> current) {
  DropNonFinite(reference);
  DropNonFinite(current);
  if (reference.empty()) return Empty(name, "reference");
  if (current.empty()) return Empty(name, "current");
  EvidentlyColumn column;
  column.name_ = std::move(name);
  column.kind_ = kind;
  column.integers_ = integers;
  column.CountPairs(reference, current);
  column.reference_ = std::move(reference);
  column.current_ = std::move(current);
  return column;
}

base::Result<EvidentlyColumn> EvidentlyColumn::OfTexts(std::string name,
                                                       std::vector<std::string> reference,
                                                       std::vector<std::string> current) {
  for (std::vector<std::string>* side : {&reference, &current}) {
    std::erase_if(*side, [](const std::string& value) { return value.empty(); });
    std::sort(side->begin(), side->end());
  }
  if (reference.empty()) return Empty(name, "reference");
  if (current.empty()) return Empty(name, "current");
  EvidentlyColumn column;
  column.name_ = std::move(name);
  column.kind_ = FeatureKind::kCategorical;
  column.CountPairs(reference, current);
  return column;
}

std::string_view EvidentlyColumn::DefaultMethod() const {
  const bool few_values = kind_ == FeatureKind::kCategorical || pairs_.size() <= 5;
  if (m_ > kSmallReference) return few_values ? "jensenshannon" : "wasserstein";
  if (!few_values) return "ks";
  return pairs_.size() > 2 ? "chisquare" : "z";
}

EvidentlyColumn::Shares EvidentlyColumn::Binned() const {
  Shares shares;
  if (kind_ == FeatureKind::kNumeric && Distinct(reference_) > kMostOwnValues) {
    const std::vector<double> edges = SturgesEdges(std::min(reference_.front(), current_.front()),
                                                   std::max(reference_.back(), current_.back()),
                                                   reference_.size() + current_.size(), integers_);
    shares.reference = Histogram(reference_, edges);
    shares.current = Histogram(current_, edges);
  } else {
    for (const Pair& pair : pairs_) {
      shares.reference.push_back(static_cast<double>(pair.reference));
      shares.current.push_back(static_cast<double>(pair.current));
    }
  }
  Divide(shares.reference, static_cast<double>(m_));
  Divide(shares.current, static_cast<double>(n_));
  return shares;
}

double EvidentlyColumn::Psi() const {
  Shares shares = Binned();
  FillZeros(shares.reference);
  FillZeros(shares.current);
  double sum = 0;
  for (size_t i = 0; i < shares.reference.size(); ++i) {
    sum += (shares.reference[i] - shares.current[i]) *
           std::log(shares.reference[i] / shares.current[i]);
  }
  return sum;
}

double EvidentlyColumn::KullbackLeibler() const {
  Shares shares = Binned();
  FillZeros(shares.reference);
  FillZeros(shares.current);
  Divide(shares.reference, Sum(shares.reference));
  Divide(shares.current, Sum(shares.current));
  double sum = 0;
  for (size_t i = 0; i < shares.reference.size(); ++i)
    sum += shares.reference[i] * std::log(shares.reference[i] / shares.current[i]);
  return sum;
}

double EvidentlyColumn::JensenShannon() const {
  const Shares shares = Binned();
  const auto term = [](double share, double middle) {
    return share > 0 ? share * std::log(share / middle) : 0;
  };
  double sum = 0;
  for (size_t i = 0; i < shares.reference.size(); ++i) {
    const double middle = (shares.reference[i] + shares.current[i]) / 2;
    sum += term(shares.reference[i], middle) + term(shares.current[i], middle);
  }
  return std::sqrt(std::max(sum, 0.0) / 2);
}

double EvidentlyColumn::Hellinger() const {
  double sum = 0;
  if (kind_ == FeatureKind::kNumeric) {
    const std::vector<double> edges =
        SturgesEdges(std::min(reference_.front(), current_.front()),
                     std::max(reference_.back(), current_.back()), pairs_.size(), integers_);
    const std::vector<double> r = Histogram(reference_, edges);
    const std::vector<double> c = Histogram(current_, edges);
    for (size_t i = 0; i < r.size(); ++i) sum += std::sqrt(r[i] * c[i]);
  } else {
    for (const Pair& pair : pairs_)
      sum += std::sqrt(static_cast<double>(pair.reference) * static_cast<double>(pair.current));
  }
  sum /= std::sqrt(static_cast<double>(m_) * static_cast<double>(n_));
  return std::sqrt(1 - std::clamp(sum, 0.0, 1.0));
}

double EvidentlyColumn::NormedWasserstein() const {
  const double mean = Sum(reference_) / static_cast<double>(m_);
  double squares = 0;
  for (const double value : reference_) squares += (value - mean) * (value - mean);
  const double deviation = std::sqrt(squares / static_cast<double>(m_));
  return MeasureSamples(reference_, current_).wasserstein / std::max(deviation, kLeastDeviation);
}

// Goodness of fit to the reference's shares as if they were known. Of a single value it is what
// chi-square without a degree of freedom is to scipy.
double EvidentlyColumn::ChiSquare() const {
  const double scale = static_cast<double>(n_) / static_cast<double>(m_);
  double statistic = 0;
  for (const Pair& pair : pairs_) {
    if (pair.reference == 0) return 0;
    const double expected = static_cast<double>(pair.reference) * scale;
    const double apart = static_cast<double>(pair.current) - expected;
    statistic += apart * apart / expected;
  }
  if (pairs_.size() == 1) return statistic > 0 ? 0 : std::numeric_limits<double>::quiet_NaN();
  return ChiSquareTail(statistic, static_cast<double>(pairs_.size() - 1));
}

// Of the share of rows with the least value.
double EvidentlyColumn::ZTest() const {
  if (pairs_.size() == 1) return 1;
  const auto m = static_cast<double>(m_);
  const auto n = static_cast<double>(n_);
  const double r = 1 - static_cast<double>(pairs_[0].reference) / m;
  const double c = 1 - static_cast<double>(pairs_[0].current) / n;
  const double both = (r * m + c * n) / (m + n);
  return NormalTwoSided((r - c) / std::sqrt(both * (1 - both) * (1 / m + 1 / n)));
}

double EvidentlyColumn::Score(std::string_view method) const {
  if (method == "psi") return Psi();
  if (method == "kl_div") return KullbackLeibler();
  if (method == "jensenshannon") return JensenShannon();
  if (method == "wasserstein") return NormedWasserstein();
  if (method == "ks")
    return TwoSampleKsTail(m_, n_, MeasureSamples(reference_, current_).kolmogorov_smirnov);
  if (method == "hellinger") return Hellinger();
  return method == "chisquare" ? ChiSquare() : ZTest();
}

EvidentlyScore EvidentlyColumn::Judged(std::string_view name,
                                       std::optional<double> threshold) const {
  const Method& method = *Find(name);
  EvidentlyScore score{method.name, method.display_name, Score(method.name),
                       threshold.value_or(method.threshold), false};
  // Distances reach a threshold, p-values fall below it ("ks": or onto it).
  if (method.name == "ks") {
    score.drifted = score.score <= score.threshold;
  } else if (method.name == "chisquare" || method.name == "z") {
    score.drifted = score.score < score.threshold;
  } else {
    score.drifted = score.score >= score.threshold;
  }
  return score;
}

EvidentlyScore EvidentlyColumn::MeasureDefault(std::optional<double> threshold) const {
  return Judged(DefaultMethod(), threshold);
}

base::Result<EvidentlyScore> EvidentlyColumn::Measure(std::string_view name,
                                                      std::optional<double> threshold) const {
  const Method* method = Find(name);
  if (method == nullptr) {
    return base::InvalidArgument("metrics",
                                 "expected a method of Evidently, got '" + std::string(name) + "'");
  }
  if (kind_ == FeatureKind::kNumeric ? !method->numeric : !method->categorical) {
    return base::InvalidArgument("metrics", std::string(name) + " is not for the " +
                                                std::string(FeatureKindName(kind_)) + " column " +
                                                name_);
  }
  return Judged(method->name, threshold);
}

}  // namespace slipway::drift
