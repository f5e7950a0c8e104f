// SPDX-License-Identifier: Apache-2.0
// Profiles: what is counted of columns in frozen bins. Counts of one reference add up over time and
// over replicas (Merge is commutative and, but for rounding in the moments, associative), so any
// window is answered from them. Value types; not thread-safe while counting.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "drift/bins.h"

namespace slipway::drift {

// Of finite values.
struct Moments {
  int64_t n = 0;
  double mean = 0;
  double m2 = 0;  // sum of squared distances from the mean
  double least = std::numeric_limits<double>::infinity();
  double most = -std::numeric_limits<double>::infinity();

  void Add(double value) {  // Welford 1962
    ++n;
    const double delta = value - mean;
    mean += delta / static_cast<double>(n);
    m2 += delta * (value - mean);
    least = value < least ? value : least;
    most = value > most ? value : most;
  }
  void Merge(const Moments& other);  // Chan, Golub & LeVeque 1979
  // Of the values themselves: divided by n. 0 when empty.
  [[nodiscard]] double Variance() const { return n == 0 ? 0 : m2 / static_cast<double>(n); }
};

// `bins` has one count a bin of the FeatureBins; `fine` one a bucket of its grid, or is empty (of a
// categorical feature, or where it is not wanted: 32 KiB a column).
struct ColumnCounts {
  std::vector<int64_t> bins;
  std::vector<int64_t> fine;
  Moments moments;
  int64_t positive_infinities = 0;
  int64_t negative_infinities = 0;

  ColumnCounts() = default;
  explicit ColumnCounts(const FeatureBins& frozen, bool with_fine = true);

  [[nodiscard]] int64_t Rows() const;  // missing ones too
  [[nodiscard]] int64_t Missing() const { return bins.empty() ? 0 : bins[FeatureBins::kMissing]; }
  // `other` was counted in the same bins. Where one side has no `fine`, the sum has none.
  void Merge(const ColumnCounts& other);
};

// Adds values of one column. NaN (or "") is missing. `counts` was made for `frozen`; of a
// categorical feature numbers count by their text.
void CountNumber(const FeatureBins& frozen, double value, ColumnCounts& counts);
void CountNumbers(const FeatureBins& frozen, std::span<const double> values, ColumnCounts& counts);
void CountNumbers(const FeatureBins& frozen, std::span<const float> values, ColumnCounts& counts);
// Of a numeric feature, telling each value's bin too: bins[i] for values[i].
void CountNumbers(const FeatureBins& frozen, std::span<const float> values, ColumnCounts& counts,
                  std::span<uint8_t> bins);
void CountText(const FeatureBins& frozen, std::string_view value, ColumnCounts& counts);

struct ColumnProfile {
  FeatureBins bins;
  std::string type;  // in its source: "double", "int64", "string"
  ColumnCounts counts;
};

struct Profile {
  std::string source;  // "train.parquet", "first 1000 predictions"
  int64_t rows = 0;
  std::vector<ColumnProfile> columns;

  [[nodiscard]] const ColumnProfile* Find(std::string_view name) const;
};

inline constexpr size_t kMaxProfileColumns = 20'000;
inline constexpr int64_t kMaxProfileBytes = 1LL << 30;
inline constexpr uint32_t kProfileFormat = 1;  // docs/formats/profile.md

// Compact bytes with a checksum; about 3 KB a numeric column.
std::string EncodeProfile(const Profile& profile);
// kInvalidArgument when the bytes are no profile or of a newer format, kDataLoss when damaged.
base::Result<Profile> DecodeProfile(std::string_view bytes);
bool LooksLikeProfile(std::string_view bytes);

}  // namespace slipway::drift
