// SPDX-License-Identifier: Apache-2.0
// Part of `slipway drift --compat evidently`: which columns Evidently compares, and how it types
// them.
#include <algorithm>
#include <cmath>
#include <utility>

#include "cli/drift.h"
#include "drift/evidently.h"

namespace slipway::cli {
namespace {

using base::Json;
using drift::EvidentlyColumn;
using drift::EvidentlyScore;
using drift::FeatureKind;

constexpr size_t kMostIntegerCategories = 10;
constexpr double kDriftShare = 0.5;

std::vector<double> Numbers(ColumnValues column) {
  if (auto* doubles = std::get_if<std::vector<double>>(&column.values)) return std::move(*doubles);
  const auto& floats = std::get<std::vector<float>>(column.values);
  return {floats.begin(), floats.end()};
}

template <typename T>
size_t Distinct(std::vector<T> values) {
  std::sort(values.begin(), values.end());
  return static_cast<size_t>(std::unique(values.begin(), values.end()) - values.begin());
}

// Integers with missing values are floats in pandas.
bool IsInteger(const TableColumn& column, const ColumnValues& values) {
  return column.type == "int64" && !values.has_missing;
}

// More than half of them distinct: Evidently takes the column for free text.
bool IsFreeText(const std::vector<std::string>& values) {
  std::vector<std::string> present;
  for (const std::string& value : values) {
    if (!value.empty()) present.push_back(value);
  }
  const size_t rows = present.size();
  return 2 * Distinct(std::move(present)) > rows;
}

FeatureKind KindOf(const DriftArguments& arguments, const TableColumn& column,
                   const ColumnValues& current) {
  const bool named = std::find(arguments.categorical.begin(), arguments.categorical.end(),
                               column.name) != arguments.categorical.end();
  if (named || column.type == "bool") return FeatureKind::kCategorical;
  const auto* numbers = std::get_if<std::vector<double>>(&current.values);
  const bool few = IsInteger(column, current) && Distinct(*numbers) <= kMostIntegerCategories;
  return few ? FeatureKind::kCategorical : FeatureKind::kNumeric;
}

struct Measured {
  std::string column;
  FeatureKind kind = FeatureKind::kNumeric;
  std::vector<EvidentlyScore> scores;  // the first decides; empty: free text, not compared
};

base::Result<std::vector<EvidentlyScore>> Measure(const DriftArguments& arguments,
                                                  const EvidentlyColumn& column) {
  if (arguments.metrics.empty()) return std::vector{column.MeasureDefault(arguments.threshold)};
  std::vector<EvidentlyScore> scores;
  base::Status refused;
  for (const std::string& method : arguments.metrics) {
    auto score = column.Measure(method, arguments.threshold);
    if (score.ok()) {
      scores.push_back(*score);
    } else {
      refused = score.status();
    }
  }
  if (scores.empty()) return refused;
  return scores;
}

base::Result<Measured> MeasureColumn(const DriftArguments& arguments, TableSource& reference,
                                     TableSource& current, const ColumnPair& pair) {
  const TableColumn& about = current.columns()[pair.current];
  ColumnValues r = TRY(reference.Read(pair.reference));
  ColumnValues c = TRY(current.Read(pair.current));
  Measured measured{pair.name, FeatureKind::kCategorical, {}};
  if (about.type == "string") {
    auto& texts = std::get<std::vector<std::string>>(c.values);
    if (IsFreeText(texts)) return measured;
    const EvidentlyColumn column = TRY(EvidentlyColumn::OfTexts(
        pair.name, std::move(std::get<std::vector<std::string>>(r.values)), std::move(texts)));
    measured.scores = TRY(Measure(arguments, column));
    return measured;
  }
  measured.kind = KindOf(arguments, about, c);
  const bool integers = IsInteger(reference.columns()[pair.reference], r) && IsInteger(about, c);
  const EvidentlyColumn column = TRY(EvidentlyColumn::OfNumbers(
      pair.name, measured.kind, integers, Numbers(std::move(r)), Numbers(std::move(c))));
  measured.scores = TRY(Measure(arguments, column));
  return measured;
}

Json MeasuredJson(const Measured& measured) {
  Json json = Json::MakeObject(
      {{"column", measured.column},
       {"kind", measured.scores.empty() ? "text" : drift::FeatureKindName(measured.kind)}});
  if (measured.scores.empty()) return json;
  Json scores = Json::MakeObject();
  for (const EvidentlyScore& score : measured.scores) {
    scores.Set(score.method, Json::MakeObject({{"display_name", score.display_name},
                                               {"score", score.score},
                                               {"threshold", score.threshold},
                                               {"drifted", score.drifted}}));
  }
  const EvidentlyScore& first = measured.scores[0];
  json.Set("method", first.method);
  json.Set("score", first.score);
  json.Set("threshold", first.threshold);
  json.Set("drifted", first.drifted);
  json.Set("scores", std::move(scores));
  return json;
}

}  // namespace

base::Result<Json> CompareAsEvidently(const DriftArguments& arguments,
                                      const DriftReference& reference, const TableSource& current) {
  if (!reference.table) {
    return base::InvalidArgument(
        "reference",
        "Evidently bins both sides together: it needs the reference's rows, not a profile");
  }
  const ColumnPairs columns = TRY(PairColumns(reference, current, arguments.columns));
  std::vector<Measured> measured(columns.pairs.size());
  TRY(ForColumns(reference, current, columns.pairs.size(),
                 [&](TableSource* from, TableSource& to, size_t i) -> base::Status {
                   measured[i] = TRY(MeasureColumn(arguments, *from, to, columns.pairs[i]));
                   return base::Status::Ok();
                 }));
  int64_t compared = 0;
  int64_t drifted = 0;
  Json rows = Json::MakeArray();
  for (const Measured& column : measured) {
    compared += column.scores.empty() ? 0 : 1;
    drifted += !column.scores.empty() && column.scores[0].drifted ? 1 : 0;
    rows.Append(MeasuredJson(column));
  }
  const double share =
      compared == 0 ? 0 : static_cast<double>(drifted) / static_cast<double>(compared);
  Json json = Json::MakeObject({{"format", 1},
                                {"compat", "evidently 0.7.23"},
                                {"reference", arguments.reference},
                                {"current", arguments.current},
                                {"columns_compared", compared},
                                {"columns_drifted", drifted},
                                {"share_drifted", share},
                                {"dataset_drift", compared > 0 && share >= kDriftShare}});
  json.Set("columns", std::move(rows));
  return json;
}

}  // namespace slipway::cli
