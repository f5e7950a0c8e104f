// SPDX-License-Identifier: Apache-2.0
// FeatureBins: what is frozen of one feature when a baseline is made. Coarse bins (reference
// deciles or categories, with bins of their own for missing, out-of-range and unseen values) and,
// for a numeric feature, a fine grid for distances between distribution functions. A value type;
// reading is thread-safe.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_codec.h"
#include "base/status.h"

namespace slipway::drift {

enum class FeatureKind { kNumeric, kCategorical };
std::string_view FeatureKindName(FeatureKind kind);  // "numeric", "categorical"

inline constexpr size_t kMaxCategories =
    200;  // own bins of a categorical feature; the rest share bin "other"
inline constexpr size_t kMaxKnownCategories = 10'000;  // names that are told apart from unseen ones
inline constexpr int64_t kLeastCategoryRows = 5;       // fewer reference rows: bin "other"
inline constexpr size_t kMaxNumericBins = 13;          // with missing, below and above range

// 4096 buckets, 2048 on each side of `center`: 16 octaves of 128 equal buckets each, the first
// octave `scale` wide, each next one twice as wide. So a bucket is scale / 128 wide near the
// center and at most 1/128 of its distance from it farther out; what is beyond 65 535 scales falls
// into the last bucket. Values are 32-bit floats and all arithmetic is float's, on every machine.
struct FineGrid {
  static constexpr size_t kBuckets = 4096;
  static constexpr uint32_t kSide = kBuckets / 2;

  float center = 0;
  float scale = 1;

  // `value` is not NaN.
  [[nodiscard]] size_t BucketOf(float value) const {
    const float distance = value - center;
    const float u = (distance < 0 ? -distance : distance) * (1 / scale) + 1.0F;
    const uint32_t octaves = (std::bit_cast<uint32_t>(u) - 0x3F800000U) >> 16;
    const uint32_t outwards = octaves < kSide ? octaves : kSide - 1;
    return distance < 0 ? kSide - 1 - outwards : kSide + outwards;
  }
  // The lower end of a bucket; that of kBuckets is the upper end of the last.
  [[nodiscard]] double LowerEdge(size_t bucket) const;
};

// Numeric bins: [missing, below range, up to 10 between the reference deciles, above range]; a
// decile bin is (low, high], the first one [min, high]; deciles that fall together make one bin.
// Values are compared as 32-bit floats: a training table has doubles where the model's input is
// FP32, and a tie must stay a tie. Categorical bins: [missing, unseen, other, one a category].
class FeatureBins {
 public:
  static constexpr size_t kMissing = 0;
  static constexpr size_t kBelow = 1;   // numeric
  static constexpr size_t kUnseen = 1;  // categorical
  static constexpr size_t kOther = 2;   // categorical

  static FeatureBins Numeric(std::string name, const std::vector<double>& values);  // NaN: missing
  // `sorted` rises and has no NaN.
  static FeatureBins NumericOfSorted(std::string name, std::span<const float> sorted);
  static FeatureBins Categorical(std::string name,
                                 const std::vector<std::string>& values);  // "": missing
  static FeatureBins CategoricalOfCounts(std::string name,
                                         const std::map<std::string, int64_t, std::less<>>& counts);

  const std::string& name() const { return name_; }
  FeatureKind kind() const { return kind_; }
  size_t bin_count() const { return labels_.size(); }
  const std::vector<std::string>& labels() const { return labels_; }
  size_t AboveBin() const { return labels_.size() - 1; }  // numeric
  const FineGrid& grid() const { return grid_; }          // numeric
  // The reference's range; least > most when it had no values. Numeric.
  float least() const { return least_; }
  float most() const { return most_; }
  std::span<const float> edges() const { return edges_; }  // numeric: interior, rising, at most 9

  // Reference rows whose category came only once: how often a row without drift is unseen (Good
  // 1953). Categorical.
  int64_t singletons() const { return singletons_; }

  size_t BinOfNumber(double value) const;  // for a categorical feature: the number's shortest text
  size_t BinOfText(std::string_view value) const;  // for a numeric feature: missing

  void Encode(base::ByteWriter& out) const;
  // kDataLoss when the bytes are damaged.
  static base::Result<FeatureBins> Decode(base::ByteReader& in);

 private:
  void LabelNumeric();

  std::string name_;
  FeatureKind kind_ = FeatureKind::kNumeric;
  std::vector<std::string> labels_;
  float least_ = std::numeric_limits<float>::infinity();
  float most_ = -std::numeric_limits<float>::infinity();
  std::vector<float> edges_;
  FineGrid grid_;
  std::map<std::string, uint32_t, std::less<>> categories_;  // categorical: name -> bin
  int64_t singletons_ = 0;
};

// The text by which a number is a category: the shortest that reads back as it.
std::string NumberText(double value);

}  // namespace slipway::drift
