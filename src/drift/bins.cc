// SPDX-License-Identifier: Apache-2.0
// How a baseline is made: deciles and categories of the reference rows become bins that never move
// again.
#include "drift/bins.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

namespace slipway::drift {
namespace {

constexpr int kDeciles = 10;
constexpr float kLeastScale = 1e-30F;        // so that 1 / scale is finite
constexpr double kQuartilesToSigma = 1.349;  // of a normal distribution

// For bin labels: four significant digits are enough to read.
std::string ShortText(float value) {
  std::array<char, 32> text{};
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::general, 4);
  return {text.data(), end.ptr};
}

std::span<const float> Finite(std::span<const float> sorted) {
  while (!sorted.empty() && std::isinf(sorted.front())) sorted = sorted.subspan(1);
  while (!sorted.empty() && std::isinf(sorted.back())) sorted = sorted.first(sorted.size() - 1);
  return sorted;
}

// The median, and half a robust standard deviation: most values lie in the first two or three
// octaves, where a bucket is 1/256 to 1/64 of a standard deviation.
FineGrid GridOf(std::span<const float> sorted) {
  const std::span<const float> values = Finite(sorted);
  if (values.empty()) return {};
  const auto at = [&](double share) {
    return static_cast<double>(
        values[static_cast<size_t>(share * static_cast<double>(values.size() - 1))]);
  };
  FineGrid grid;
  grid.center = static_cast<float>(at(0.5));
  double scale = (at(0.75) - at(0.25)) / kQuartilesToSigma / 2;
  if (scale <= 0) scale = (at(0.99) - at(0.01)) / 8;
  if (scale <= 0) scale = std::fabs(at(0.5)) / 1024;
  if (scale <= 0) scale = (at(1) - at(0)) / 1024;
  if (scale <= 0) scale = 1;
  grid.scale = std::max(static_cast<float>(std::min(scale, 1e30)), kLeastScale);
  return grid;
}

base::Status Damaged() {
  return {base::Code::kDataLoss, "damaged_profile", "the bins of a profile are damaged"};
}

}  // namespace

std::string NumberText(double value) {
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value);
  return {text.data(), end.ptr};
}

std::string_view FeatureKindName(FeatureKind kind) {
  return kind == FeatureKind::kNumeric ? "numeric" : "categorical";
}

double FineGrid::LowerEdge(size_t bucket) const {
  const bool above = bucket >= kSide;
  const auto outwards = static_cast<uint32_t>(above ? bucket - kSide : kSide - bucket);
  const auto u = static_cast<double>(std::bit_cast<float>(0x3F800000U + (outwards << 16)));
  const double distance = (u - 1) * static_cast<double>(scale);
  return static_cast<double>(center) + (above ? distance : -distance);
}

FeatureBins FeatureBins::Numeric(std::string name, const std::vector<double>& given) {
  std::vector<float> values;
  values.reserve(given.size());
  for (const double value : given) {
    if (!std::isnan(value)) values.push_back(static_cast<float>(value));
  }
  std::sort(values.begin(), values.end());
  return NumericOfSorted(std::move(name), values);
}

FeatureBins FeatureBins::NumericOfSorted(std::string name, std::span<const float> values) {
  FeatureBins bins;
  bins.name_ = std::move(name);
  bins.kind_ = FeatureKind::kNumeric;
  if (!values.empty()) {
    bins.least_ = values.front();
    bins.most_ = values.back();
  }
  for (int decile = 1; decile < kDeciles && !values.empty(); ++decile) {
    // The smallest value with at least decile/10 of the rows at or below it.
    const size_t rank = (values.size() * static_cast<size_t>(decile) + kDeciles - 1) / kDeciles;
    const float edge = values[std::max<size_t>(rank, 1) - 1];
    if (edge < bins.most_ && (bins.edges_.empty() || edge > bins.edges_.back()))
      bins.edges_.push_back(edge);
  }
  bins.grid_ = GridOf(values);
  bins.LabelNumeric();
  return bins;
}

void FeatureBins::LabelNumeric() {
  const bool any = least_ <= most_;
  labels_ = {"missing", any ? "< " + ShortText(least_) : "any"};
  for (size_t i = 0; i <= edges_.size() && any; ++i) {
    const std::string low = i == 0 ? "[" + ShortText(least_) : "(" + ShortText(edges_[i - 1]);
    const float high = i == edges_.size() ? most_ : edges_[i];
    labels_.push_back(low + ", " + ShortText(high) + "]");
  }
  labels_.push_back(any ? "> " + ShortText(most_) : "none");
}

FeatureBins FeatureBins::Categorical(std::string name, const std::vector<std::string>& values) {
  std::map<std::string, int64_t, std::less<>> counts;
  for (const std::string& value : values) {
    if (!value.empty()) ++counts[value];
  }
  return CategoricalOfCounts(std::move(name), counts);
}

FeatureBins FeatureBins::CategoricalOfCounts(
    std::string name, const std::map<std::string, int64_t, std::less<>>& counts) {
  FeatureBins bins;
  bins.name_ = std::move(name);
  bins.kind_ = FeatureKind::kCategorical;
  bins.labels_ = {"missing", "unseen", "other"};
  bins.singletons_ = std::count_if(counts.begin(), counts.end(),
                                   [](const auto& category) { return category.second == 1; });
  std::vector<std::pair<std::string, int64_t>> ranked(counts.begin(), counts.end());
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  if (ranked.size() > kMaxKnownCategories) ranked.resize(kMaxKnownCategories);
  for (size_t i = 0; i < ranked.size(); ++i) {
    const bool own = i < kMaxCategories && ranked[i].second >= kLeastCategoryRows;
    bins.categories_[ranked[i].first] = static_cast<uint32_t>(own ? bins.labels_.size() : kOther);
    if (own) bins.labels_.push_back(ranked[i].first);
  }
  return bins;
}

size_t FeatureBins::BinOfNumber(double value) const {
  if (kind_ == FeatureKind::kCategorical)
    return std::isnan(value) ? kMissing : BinOfText(NumberText(value));
  if (std::isnan(value)) return kMissing;
  const float narrow = static_cast<float>(value);
  if (narrow < least_) return kBelow;
  if (narrow > most_) return AboveBin();
  // (low, high]: the first edge that is not below the value ends its bin.
  size_t bin = 0;
  for (const float edge : edges_) bin += edge < narrow ? 1 : 0;
  return kBelow + 1 + bin;
}

size_t FeatureBins::BinOfText(std::string_view value) const {
  if (kind_ == FeatureKind::kNumeric || value.empty()) return kMissing;
  const auto found = categories_.find(value);
  return found == categories_.end() ? kUnseen : found->second;
}

void FeatureBins::Encode(base::ByteWriter& out) const {
  out.Text(name_);
  out.Fixed(static_cast<uint8_t>(kind_ == FeatureKind::kCategorical));
  if (kind_ == FeatureKind::kNumeric) {
    out.Fixed(least_);
    out.Fixed(most_);
    out.Fixed(grid_.center);
    out.Fixed(grid_.scale);
    out.Varint(edges_.size());
    for (const float edge : edges_) out.Fixed(edge);
    return;
  }
  out.Signed(singletons_);
  out.Varint(labels_.size() - kOther - 1);
  for (size_t i = kOther + 1; i < labels_.size(); ++i) out.Text(labels_[i]);
  out.Varint(categories_.size() - (labels_.size() - kOther - 1));
  for (const auto& [category, bin] : categories_) {
    if (bin == kOther) out.Text(category);
  }
}

base::Result<FeatureBins> FeatureBins::Decode(base::ByteReader& in) {
  FeatureBins bins;
  bins.name_ = in.Text();
  const auto kind = in.Fixed<uint8_t>();
  bins.kind_ = kind == 0 ? FeatureKind::kNumeric : FeatureKind::kCategorical;
  if (kind == 0) {
    bins.least_ = in.Fixed<float>();
    bins.most_ = in.Fixed<float>();
    bins.grid_.center = in.Fixed<float>();
    bins.grid_.scale = in.Fixed<float>();
    const uint64_t edges = in.Varint();
    if (edges > kDeciles - 1 || !(bins.grid_.scale >= kLeastScale)) return Damaged();
    for (uint64_t i = 0; i < edges; ++i) bins.edges_.push_back(in.Fixed<float>());
    if (!std::is_sorted(bins.edges_.begin(), bins.edges_.end())) return Damaged();
    bins.LabelNumeric();
    return in.ok() ? base::Result<FeatureBins>(std::move(bins)) : Damaged();
  }
  bins.labels_ = {"missing", "unseen", "other"};
  bins.singletons_ = in.Signed();
  const uint64_t own = in.Varint();
  if (own > kMaxCategories) return Damaged();
  for (uint64_t i = 0; i < own; ++i) {
    bins.labels_.emplace_back(in.Text());
    bins.categories_[bins.labels_.back()] = static_cast<uint32_t>(bins.labels_.size() - 1);
  }
  const uint64_t others = in.Varint();
  if (others > kMaxKnownCategories) return Damaged();
  for (uint64_t i = 0; i < others; ++i) bins.categories_[std::string(in.Text())] = kOther;
  return in.ok() ? base::Result<FeatureBins>(std::move(bins)) : Damaged();
}

}  // namespace slipway::drift
