// SPDX-License-Identifier: Apache-2.0
// What a label says against what was answered: the two numbers that quality is measured from.
// Private to this room.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "monitoring/labels.h"
#include "monitoring/score.h"
#include "monitoring/windows/segments.h"

namespace slipway::monitoring {

inline constexpr size_t kMaxClasses = 1000;  // of an endpoint that tells classes apart

// Names of classes <-> numbers. Not thread-safe.
class ClassIndex {
 public:
  std::optional<double> IdOf(const std::string& name);  // nullopt: too many classes
  // By number.
  std::vector<std::string> Names() const;

 private:
  std::map<std::string, size_t, std::less<>> ids_;
};

// A labelled row. Of classes both numbers are ClassIndex's.
struct QualityRow {
  double score = 0;  // NaN: withdrawn by a correction
  double truth = 0;
  SegmentIds segments{};

  friend bool operator<(const QualityRow& a, const QualityRow& b) {
    return a.score != b.score ? a.score < b.score : a.truth < b.truth;
  }
};

// What was answered for one row.
struct Answer {
  std::optional<double> score;
  int64_t score_width = 0;  // columns of the output that the score is from
  std::string class_name;   // of a task that tells classes apart; "" when nothing says it
};
Answer AnswerOf(const PredictionView& view, int64_t row, const ScoreRule& rule);
// More than two columns of scores, or the setting says so.
bool TellsClassesApart(const ScoreRule& rule, int64_t score_width);

// nullopt: the label and the answer do not go together, and the row has no quality.
std::optional<QualityRow> Pair(const Answer& answer, const LabelValue& label, const ScoreRule& rule,
                               ClassIndex& classes);

}  // namespace slipway::monitoring
