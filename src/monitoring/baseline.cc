// SPDX-License-Identifier: Apache-2.0
// How a baseline is made: from a table of reference rows, or from the file that came with a
// version.
#include "monitoring/baseline.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace slipway::monitoring {
namespace {

FeatureProfile ProfileOfNumbers(const std::string& name, const std::vector<double>& values,
                                bool with_fine) {
  const FeatureBins bins = FeatureBins::Numeric(name, values);
  FeatureProfile profile{bins, "double", drift::ColumnCounts(bins, with_fine)};
  drift::CountNumbers(bins, values, profile.counts);
  return profile;
}

FeatureProfile ProfileOfTexts(const std::string& name, const std::vector<std::string>& values) {
  const FeatureBins bins = FeatureBins::Categorical(name, values);
  FeatureProfile profile{bins, "string", drift::ColumnCounts(bins)};
  for (const std::string& value : values) drift::CountText(bins, value, profile.counts);
  return profile;
}

FeatureProfile ProfileOf(const inference::Column& column, bool with_fine) {
  if (const auto* texts = std::get_if<std::vector<std::string>>(&column.values)) {
    return ProfileOfTexts(column.name, *texts);
  }
  if (const auto* integers = std::get_if<std::vector<int64_t>>(&column.values)) {
    return ProfileOfNumbers(column.name, std::vector<double>(integers->begin(), integers->end()),
                            with_fine);
  }
  return ProfileOfNumbers(column.name, std::get<std::vector<double>>(column.values), with_fine);
}

size_t BinOf(const inference::Column& column, const FeatureBins& bins, size_t row) {
  if (const auto* texts = std::get_if<std::vector<std::string>>(&column.values))
    return bins.BinOfText((*texts)[row]);
  if (const auto* integers = std::get_if<std::vector<int64_t>>(&column.values))
    return bins.BinOfNumber(static_cast<double>((*integers)[row]));
  return bins.BinOfNumber(std::get<std::vector<double>>(column.values)[row]);
}

std::vector<double> MeanScores(const inference::Column& column, const FeatureBins& bins,
                               const std::vector<double>& scores) {
  std::vector<double> sums(bins.bin_count());
  std::vector<double> rows(bins.bin_count());
  for (size_t row = 0; row < scores.size(); ++row) {
    if (std::isnan(scores[row])) continue;
    const size_t bin = BinOf(column, bins, row);
    sums[bin] += scores[row];
    rows[bin] += 1;
  }
  for (size_t bin = 0; bin < sums.size(); ++bin) sums[bin] /= rows[bin];
  return sums;
}

bool IsTextColumn(const base::Json::Array& cells) {
  return std::any_of(cells.begin(), cells.end(),
                     [](const base::Json& cell) { return cell.is_string(); });
}

// Strings with nulls are categories with missing values; everything else is inference's rule.
base::Result<inference::Column> ReadColumn(const std::string& name,
                                           const base::Json::Array& cells) {
  if (IsTextColumn(cells)) {
    std::vector<std::string> texts;
    for (size_t row = 0; row < cells.size(); ++row) {
      if (!cells[row].is_string() && !cells[row].is_null()) {
        return base::InvalidArgument(
            "columns." + name + "[" + std::to_string(row) + "]",
            "expected a string or null, got " + std::string(cells[row].TypeName()));
      }
      texts.push_back(cells[row].is_null() ? "" : cells[row].AsString());
    }
    return inference::Column{name, std::move(texts)};
  }
  std::vector<const base::Json*> pointers;
  for (const base::Json& cell : cells) pointers.push_back(&cell);
  return inference::ColumnFromJson(name, pointers);
}

base::Result<std::vector<double>> ReadScores(const base::Json& json) {
  std::vector<double> scores;
  const base::Json* given = json.Find("scores");
  if (given == nullptr || given->is_null()) return scores;
  if (!given->is_array()) return base::InvalidArgument("scores", "expected an array of numbers");
  for (const base::Json& score : given->AsArray()) {
    if (!score.is_number()) {
      return base::InvalidArgument("scores[" + std::to_string(scores.size()) + "]",
                                   "expected a number, got " + std::string(score.TypeName()));
    }
    scores.push_back(score.AsDouble());
  }
  return scores;
}

}  // namespace

base::Result<Baseline> MakeBaseline(const std::vector<inference::Column>& columns,
                                    const std::vector<double>& scores, std::string source) {
  if (columns.empty())
    return base::InvalidArgument("columns", "a baseline needs at least one column");
  if (columns.size() > kMaxFeatures) {
    return base::InvalidArgument("columns", "a baseline has at most " +
                                                std::to_string(kMaxFeatures) + " columns, got " +
                                                std::to_string(columns.size()));
  }
  Baseline baseline;
  baseline.source = std::move(source);
  baseline.rows = static_cast<int64_t>(columns[0].size());
  if (baseline.rows == 0)
    return base::InvalidArgument("columns." + columns[0].name, "a baseline needs rows");
  for (const inference::Column& column : columns) {
    if (static_cast<int64_t>(column.size()) != baseline.rows) {
      return base::InvalidArgument("columns." + column.name,
                                   "expected " + std::to_string(baseline.rows) +
                                       " values as in the first column, got " +
                                       std::to_string(column.size()));
    }
    baseline.features.push_back(ProfileOf(column, columns.size() <= kMaxFineFeatures));
  }
  if (scores.empty()) return baseline;
  if (static_cast<int64_t>(scores.size()) != baseline.rows) {
    return base::InvalidArgument("scores", "expected " + std::to_string(baseline.rows) +
                                               " scores, got " + std::to_string(scores.size()));
  }
  baseline.score = ProfileOfNumbers("score", scores, true);
  for (size_t i = 0; i < columns.size(); ++i)
    baseline.mean_scores.push_back(MeanScores(columns[i], baseline.features[i].bins, scores));
  return baseline;
}

base::Result<Baseline> ParseBaseline(std::string_view text) {
  if (static_cast<int64_t>(text.size()) > kMaxBaselineBytes) {
    return base::InvalidArgument(
        "", "a baseline file has at most " + std::to_string(kMaxBaselineBytes) + " bytes");
  }
  const base::Json json = TRY(base::Json::Parse(text));
  const base::Json* given = json.Find("columns");
  if (given == nullptr || !given->is_object()) {
    return base::InvalidArgument("columns", "expected an object of column name -> array of values");
  }
  std::vector<inference::Column> columns;
  for (const auto& [name, cells] : given->AsObject()) {
    if (!cells.is_array())
      return base::InvalidArgument("columns." + name, "expected an array of values");
    columns.push_back(TRY(ReadColumn(name, cells.AsArray())));
  }
  const std::vector<double> scores = TRY(ReadScores(json));
  return MakeBaseline(columns, scores, "training sample");
}

}  // namespace slipway::monitoring
