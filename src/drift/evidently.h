// SPDX-License-Identifier: Apache-2.0
// The numbers that Evidently 0.7.23 gives, for those who compare with its reports: its bins, its
// floor, its tests and its choice among them, with their known weaknesses (docs/drift.md). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "drift/bins.h"

namespace slipway::drift {

struct EvidentlyScore {
  std::string_view method;        // "psi", "kl_div", "jensenshannon", "wasserstein", "ks",
                                  // "hellinger", "chisquare", "z"
  std::string_view display_name;  // as Evidently's reports print it
  double score = 0;
  double threshold = 0;
  bool drifted = false;
};

// One column of both sides.
class EvidentlyColumn {
 public:
  // NaN and infinities are dropped. kInvalidArgument naming the column when a side has nothing
  // left. kCategorical: every distinct number is a category. `integers`: both sides are integers
  // (numpy then makes no bin narrower than 1).
  static base::Result<EvidentlyColumn> OfNumbers(std::string name, FeatureKind kind, bool integers,
                                                 std::vector<double> reference,
                                                 std::vector<double> current);
  // "" is missing and dropped.
  static base::Result<EvidentlyColumn> OfTexts(std::string name, std::vector<std::string> reference,
                                               std::vector<std::string> current);

  [[nodiscard]] FeatureKind kind() const { return kind_; }
  // Evidently's choice by kind, rows of the reference and distinct values of both.
  [[nodiscard]] std::string_view DefaultMethod() const;
  // kInvalidArgument for a method that is not for this kind of column.
  [[nodiscard]] base::Result<EvidentlyScore> Measure(std::string_view method,
                                                     std::optional<double> threshold) const;
  [[nodiscard]] EvidentlyScore MeasureDefault(std::optional<double> threshold) const;

 private:
  // Rows of both sides with one value, the values rising.
  struct Pair {
    int64_t reference = 0;
    int64_t current = 0;
  };
  struct Shares {
    std::vector<double> reference;
    std::vector<double> current;
  };

  [[nodiscard]] EvidentlyScore Judged(std::string_view method,
                                      std::optional<double> threshold) const;
  [[nodiscard]] Shares Binned() const;
  [[nodiscard]] double Score(std::string_view method) const;
  [[nodiscard]] double Psi() const;
  [[nodiscard]] double KullbackLeibler() const;
  [[nodiscard]] double JensenShannon() const;
  [[nodiscard]] double Hellinger() const;
  [[nodiscard]] double NormedWasserstein() const;
  [[nodiscard]] double ChiSquare() const;
  [[nodiscard]] double ZTest() const;
  template <typename T>
  void CountPairs(const std::vector<T>& reference, const std::vector<T>& current);

  std::string name_;
  FeatureKind kind_ = FeatureKind::kNumeric;
  bool integers_ = false;
  int64_t m_ = 0;
  int64_t n_ = 0;
  std::vector<double> reference_;  // numbers only, sorted
  std::vector<double> current_;
  std::vector<Pair> pairs_;
};

}  // namespace slipway::drift
