// SPDX-License-Identifier: Apache-2.0
// Counting rows: a block of values finds its bins (bin_search.h), then one pass adds the counts and
// one the moments.
#include "drift/profile.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "drift/bin_search.h"

namespace slipway::drift {
namespace {

constexpr size_t kBlock = 1024;
constexpr size_t kLanes = 4;  // sums that run side by side; the same number on every machine

void AddAll(std::vector<int64_t>& to, const std::vector<int64_t>& from) {
  for (size_t i = 0; i < to.size() && i < from.size(); ++i) to[i] += from[i];
}

void CountInfinity(double value, ColumnCounts& counts) {
  if (std::isinf(value)) ++(value > 0 ? counts.positive_infinities : counts.negative_infinities);
}

// Distances from `shift`, which is near the values, so that squares do not cancel.
template <typename T>
void AddMoments(std::span<const T> values, double shift, ColumnCounts& counts) {
  std::array<double, kLanes> sum{};
  std::array<double, kLanes> squares{};
  std::array<double, kLanes> least;
  std::array<double, kLanes> most;
  std::array<int64_t, kLanes> n{};
  least.fill(std::numeric_limits<double>::infinity());
  most.fill(-std::numeric_limits<double>::infinity());
  for (size_t i = 0; i < values.size(); ++i) {
    const size_t lane = i % kLanes;
    const auto value = static_cast<double>(values[i]);
    const bool finite = std::fabs(value) <= std::numeric_limits<double>::max();
    const double distance = finite ? value - shift : 0;
    sum[lane] += distance;
    squares[lane] += distance * distance;
    n[lane] += finite ? 1 : 0;
    least[lane] = finite && value < least[lane] ? value : least[lane];
    most[lane] = finite && value > most[lane] ? value : most[lane];
  }
  Moments block;
  block.n = n[0] + n[1] + n[2] + n[3];
  if (static_cast<size_t>(block.n) != values.size()) {
    for (const T value : values) CountInfinity(static_cast<double>(value), counts);
  }
  if (block.n == 0) return;
  const double total = (sum[0] + sum[1]) + (sum[2] + sum[3]);
  const auto rows = static_cast<double>(block.n);
  block.mean = shift + total / rows;
  block.m2 =
      std::max(0.0, (squares[0] + squares[1]) + (squares[2] + squares[3]) - total * (total / rows));
  block.least = *std::min_element(least.begin(), least.end());
  block.most = *std::max_element(most.begin(), most.end());
  counts.moments.Merge(block);
}

void CountBlock(const BinEdges& edges, std::span<const float> values, ColumnCounts& counts,
                std::span<uint8_t> bins) {
  std::array<uint16_t, kBlock> buckets;
  FindBins(edges, values, bins, std::span(buckets).first(values.size()));
  // Tables side by side: a bin that comes again at once does not wait for its own last sum.
  std::array<std::array<uint32_t, kMaxNumericBins>, kLanes> tables{};
  for (size_t i = 0; i < values.size(); ++i) ++tables[i % kLanes][bins[i]];
  for (size_t bin = 0; bin < counts.bins.size(); ++bin) {
    for (const auto& table : tables) counts.bins[bin] += table[bin];
  }
  if (counts.fine.empty()) return;
  for (size_t i = 0; i < values.size(); ++i)
    counts.fine[buckets[i]] += bins[i] == FeatureBins::kMissing ? 0 : 1;
}

template <typename T>
void CountAll(const FeatureBins& frozen, std::span<const T> values, ColumnCounts& counts) {
  if (frozen.kind() == FeatureKind::kCategorical) {
    for (const T value : values) CountNumber(frozen, static_cast<double>(value), counts);
    return;
  }
  const BinEdges edges(frozen);
  std::array<float, kBlock> narrow;
  std::array<uint8_t, kBlock> bins;
  for (size_t begin = 0; begin < values.size(); begin += kBlock) {
    const std::span<const T> block = values.subspan(begin, std::min(kBlock, values.size() - begin));
    for (size_t i = 0; i < block.size(); ++i) narrow[i] = static_cast<float>(block[i]);
    CountBlock(edges, std::span<const float>(narrow).first(block.size()), counts,
               std::span(bins).first(block.size()));
    AddMoments(block, static_cast<double>(frozen.grid().center), counts);
  }
}

}  // namespace

void Moments::Merge(const Moments& other) {
  if (other.n == 0) return;
  const auto total = static_cast<double>(n + other.n);
  const double delta = other.mean - mean;
  mean = n == 0 ? other.mean : mean + delta * (static_cast<double>(other.n) / total);
  m2 += other.m2 +
        (n == 0 ? 0
                : delta * delta * static_cast<double>(n) * (static_cast<double>(other.n) / total));
  n += other.n;
  least = std::min(least, other.least);
  most = std::max(most, other.most);
}

ColumnCounts::ColumnCounts(const FeatureBins& frozen, bool with_fine) : bins(frozen.bin_count()) {
  if (with_fine && frozen.kind() == FeatureKind::kNumeric) fine.resize(FineGrid::kBuckets);
}

int64_t ColumnCounts::Rows() const { return std::accumulate(bins.begin(), bins.end(), int64_t{0}); }

void ColumnCounts::Merge(const ColumnCounts& other) {
  if (bins.empty()) {
    *this = other;
    return;
  }
  AddAll(bins, other.bins);
  if (other.fine.empty()) fine.clear();
  AddAll(fine, other.fine);
  moments.Merge(other.moments);
  positive_infinities += other.positive_infinities;
  negative_infinities += other.negative_infinities;
}

void CountNumber(const FeatureBins& frozen, double value, ColumnCounts& counts) {
  const size_t bin = frozen.BinOfNumber(value);
  ++counts.bins[bin];
  if (bin == FeatureBins::kMissing || frozen.kind() == FeatureKind::kCategorical) return;
  if (!counts.fine.empty()) ++counts.fine[frozen.grid().BucketOf(static_cast<float>(value))];
  if (std::isinf(value)) {
    CountInfinity(value, counts);
  } else {
    counts.moments.Add(value);
  }
}

void CountNumbers(const FeatureBins& frozen, std::span<const double> values, ColumnCounts& counts) {
  CountAll(frozen, values, counts);
}

void CountNumbers(const FeatureBins& frozen, std::span<const float> values, ColumnCounts& counts) {
  CountAll(frozen, values, counts);
}

void CountNumbers(const FeatureBins& frozen, std::span<const float> values, ColumnCounts& counts,
                  std::span<uint8_t> bins) {
  const BinEdges edges(frozen);
  for (size_t begin = 0; begin < values.size(); begin += kBlock) {
    const size_t size = std::min(kBlock, values.size() - begin);
    CountBlock(edges, values.subspan(begin, size), counts, bins.subspan(begin, size));
    AddMoments(values.subspan(begin, size), static_cast<double>(frozen.grid().center), counts);
  }
}

void CountText(const FeatureBins& frozen, std::string_view value, ColumnCounts& counts) {
  ++counts.bins[frozen.BinOfText(value)];
}

const ColumnProfile* Profile::Find(std::string_view name) const {
  const auto found = std::find_if(columns.begin(), columns.end(), [&](const ColumnProfile& column) {
    return column.bins.name() == name;
  });
  return found == columns.end() ? nullptr : &*found;
}

}  // namespace slipway::drift
