// SPDX-License-Identifier: Apache-2.0
// Part of every drift report: how far two sets of counts, or two samples, are from each other.
#include "drift/distances.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

namespace slipway::drift {
namespace {

// Calls visit(r, c) with the shares of each bin; nothing when a side is empty.
template <typename Visit>
void ForShares(Counts reference, Counts current, Visit visit) {
  const int64_t m = Total(reference);
  const int64_t n = Total(current);
  if (m == 0 || n == 0) return;
  for (size_t bin = 0; bin < reference.size(); ++bin)
    visit(Share(reference[bin], m), Share(current[bin], n));
}

double HalfTerm(double share, double middle) {
  return share > 0 ? share / 2 * std::log(share / middle) : 0;
}

// The ends of a bucket that holds rows: those of the grid, cut to the values that were there.
struct Ends {
  double low;
  double high;
};

Ends EndsOf(const FineGrid& grid, size_t bucket, double least, double most) {
  const double low = bucket == 0 ? least : grid.LowerEdge(bucket);
  const double high = bucket + 1 == FineGrid::kBuckets ? most : grid.LowerEdge(bucket + 1);
  return {std::clamp(low, least, most), std::clamp(high, least, most)};
}

// The fine histogram without infinite values, which are in its outermost buckets.
std::vector<int64_t> FiniteRows(const ColumnCounts& counts) {
  std::vector<int64_t> fine = counts.fine;
  if (fine.empty()) return fine;
  fine.front() -= counts.negative_infinities;
  fine.back() -= counts.positive_infinities;
  return fine;
}

// Of |x| over a bucket of this width, in which x runs straight from `from` to `to`.
double AreaUnder(double from, double to, double width) {
  if (from * to >= 0) return width * (std::fabs(from) + std::fabs(to)) / 2;
  return width * (from * from + to * to) / (2 * (std::fabs(from) + std::fabs(to)));
}

// Both distribution functions jump at the values and are flat between them: at each next value of
// either side, where both stand is i / m and j / n. Counted in units of 1 / (m n), exactly, and
// without a branch on which side is next.
template <typename T>
SampleDistances MeasureSorted(std::span<const T> reference, std::span<const T> current) {
  if (reference.empty() || current.empty()) return {};
  const auto m = static_cast<int64_t>(reference.size());
  const auto n = static_cast<int64_t>(current.size());
  const T* a = reference.data();
  const T* b = current.data();
  int64_t i = 0;
  int64_t j = 0;
  int64_t most = 0;
  double area = 0;
  T last = std::min(*a, *b);
  const auto step = [&](T value) {
    const int64_t apart = std::abs(i * n - j * m);
    area += static_cast<double>(apart) * (static_cast<double>(value) - static_cast<double>(last));
    most = std::max(most, value > last ? apart : 0);
    last = value;
  };
  while (i < m && j < n) {
    const T of_a = a[i];
    const T of_b = b[j];
    step(std::min(of_a, of_b));
    i += of_a <= of_b ? 1 : 0;
    j += of_b <= of_a ? 1 : 0;
  }
  for (; i < m; ++i) step(a[i]);
  for (; j < n; ++j) step(b[j]);
  const double unit = static_cast<double>(m) * static_cast<double>(n);
  return {static_cast<double>(most) / unit, area / unit};
}

}  // namespace

int64_t Total(Counts counts) { return std::accumulate(counts.begin(), counts.end(), int64_t{0}); }

double Share(int64_t count, int64_t total) {
  return total == 0 ? 0 : static_cast<double>(count) / static_cast<double>(total);
}

double Psi(Counts reference, Counts current) {
  double psi = 0;
  ForShares(reference, current, [&](double r, double c) {
    r = std::max(r, kShareFloor);
    c = std::max(c, kShareFloor);
    psi += (c - r) * std::log(c / r);
  });
  return psi;
}

double KullbackLeibler(Counts reference, Counts current) {
  double all_r = 0;
  double all_c = 0;
  ForShares(reference, current, [&](double r, double c) {
    all_r += std::max(r, kShareFloor);
    all_c += std::max(c, kShareFloor);
  });
  double sum = 0;
  ForShares(reference, current, [&](double r, double c) {
    r = std::max(r, kShareFloor) / all_r;
    c = std::max(c, kShareFloor) / all_c;
    sum += r * std::log(r / c);
  });
  return std::max(sum, 0.0);
}

double JensenShannonDivergence(Counts reference, Counts current) {
  double sum = 0;
  ForShares(reference, current, [&](double r, double c) {
    const double middle = (r + c) / 2;
    sum += HalfTerm(r, middle) + HalfTerm(c, middle);
  });
  return std::max(sum, 0.0);
}

double HellingerDistance(Counts reference, Counts current) {
  double half_squares = 0;  // = 1 - sum sqrt(r c), without its loss of digits
  ForShares(reference, current, [&](double r, double c) {
    const double difference = std::sqrt(r) - std::sqrt(c);
    half_squares += difference * difference / 2;
  });
  return std::sqrt(half_squares);
}

double LInfinity(Counts reference, Counts current) {
  double most = 0;
  ForShares(reference, current,
            [&](double r, double c) { most = std::max(most, std::fabs(r - c)); });
  return most;
}

double TotalVariation(Counts reference, Counts current) {
  double sum = 0;
  ForShares(reference, current, [&](double r, double c) { sum += std::fabs(r - c); });
  return sum / 2;
}

GridDistance KolmogorovSmirnov(const ColumnCounts& reference, const ColumnCounts& current) {
  double most = 0;
  double most_possible = 0;
  double before = 0;  // F_ref - F_cur at the bucket's lower end
  ForShares(reference.fine, current.fine, [&](double r, double c) {
    const double after = before + r - c;
    most = std::max(most, std::fabs(after));
    most_possible = std::max({most_possible, before + r, c - before});
    before = after;
  });
  return {most, std::max(0.0, most_possible - most)};
}

GridDistance Wasserstein(const FineGrid& grid, const ColumnCounts& reference,
                         const ColumnCounts& current) {
  const double least = std::min(reference.moments.least, current.moments.least);
  const double most = std::max(reference.moments.most, current.moments.most);
  if (!(least <= most)) return {};
  GridDistance distance;
  double before = 0;
  size_t bucket = 0;
  ForShares(FiniteRows(reference), FiniteRows(current), [&](double r, double c) {
    const auto [low, high] = EndsOf(grid, bucket++, least, most);
    distance.value += AreaUnder(before, before + r - c, high - low);
    distance.error += (high - low) * std::max(r, c);
    before += r - c;
  });
  return distance;
}

SampleDistances MeasureSamples(std::span<const double> reference, std::span<const double> current) {
  return MeasureSorted(reference, current);
}

SampleDistances MeasureSamples(std::span<const float> reference, std::span<const float> current) {
  return MeasureSorted(reference, current);
}

}  // namespace slipway::drift
