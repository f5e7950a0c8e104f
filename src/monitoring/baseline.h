// SPDX-License-Identifier: Apache-2.0
// Baseline: the reference that live traffic is compared with. For each feature and for the score,
// bins frozen when the baseline is made and the counts of the reference rows in them. Value types;
// reading is thread-safe.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "inference/columns.h"

namespace slipway::monitoring {

enum class FeatureKind { kNumeric, kCategorical };
std::string_view FeatureKindName(FeatureKind kind);  // "numeric", "categorical"

inline constexpr size_t kMaxFeatures = 2000;  // of a baseline; more is refused
inline constexpr size_t kMaxCategories =
    200;  // own bins of a categorical feature; the rest share bin "other"
inline constexpr size_t kMaxKnownCategories = 10'000;  // names that are told apart from unseen ones
inline constexpr int64_t kLeastCategoryRows = 5;       // fewer reference rows: bin "other"
inline constexpr int64_t kMaxBaselineBytes = 256LL * 1024 * 1024;

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
  static FeatureBins Categorical(std::string name,
                                 const std::vector<std::string>& values);  // "": missing

  const std::string& name() const { return name_; }
  FeatureKind kind() const { return kind_; }
  size_t bin_count() const { return labels_.size(); }
  const std::vector<std::string>& labels() const { return labels_; }
  size_t AboveBin() const { return labels_.size() - 1; }  // numeric

  size_t BinOfNumber(double value) const;  // for a categorical feature: the number's shortest text
  size_t BinOfText(std::string_view value) const;  // for a numeric feature: missing

 private:
  std::string name_;
  FeatureKind kind_ = FeatureKind::kNumeric;
  std::vector<std::string> labels_;
  float least_ = std::numeric_limits<float>::infinity();
  float most_ = -std::numeric_limits<float>::infinity();
  std::vector<float> edges_;                                 // numeric: interior, rising
  std::map<std::string, uint32_t, std::less<>> categories_;  // categorical: name -> bin
};

struct FeatureProfile {
  FeatureBins bins;
  std::vector<int64_t> counts;  // one a bin
};

struct Baseline {
  std::string source;  // "training sample", "first 1000 predictions"
  int64_t rows = 0;
  std::vector<FeatureProfile> features;
  std::optional<FeatureProfile> score;
};

// kInvalidArgument naming the column when lengths differ, nothing is there or kMaxFeatures is
// passed.
base::Result<Baseline> MakeBaseline(const std::vector<inference::Column>& columns,
                                    const std::vector<double>& scores, std::string source);
// {"columns": {"name": [values]}, "scores": [numbers]}: the file `monitoring/baseline.json` of a
// version (docs/monitoring.md).
base::Result<Baseline> ParseBaseline(std::string_view json);

}  // namespace slipway::monitoring
