// SPDX-License-Identifier: Apache-2.0
// Part of `slipway drift`: two tables, column by column on two threads, become a report.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "base/nearest.h"
#include "cli/drift.h"
#include "drift/sort.h"

namespace slipway::cli {
namespace {

using drift::ColumnCounts;
using drift::ColumnProfile;
using drift::FeatureBins;
using drift::FeatureKind;

constexpr size_t kThreads = 2;

std::string_view FamilyOf(std::string_view type) {
  return type == "double" || type == "float" || type == "int64" ? "number" : type;
}

bool Contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Numbers of one column, rising and without NaN, in the width that the file has.
template <typename T>
struct Sorted {
  std::vector<T> values;
  int64_t missing = 0;

  [[nodiscard]] std::span<const T> Finite() const {
    const auto infinite = [](T value) { return std::isinf(value); };
    const auto begin = std::find_if_not(values.begin(), values.end(), infinite);
    const auto end = std::find_if_not(values.rbegin(), values.rend(), infinite).base();
    return begin < end ? std::span<const T>(begin, end) : std::span<const T>();
  }
};

template <typename T>
Sorted<T> Sort(std::vector<T> values) {
  thread_local std::vector<T> scratch;  // as large as a column: not given back between columns
  Sorted<T> sorted;
  const size_t rows = values.size();
  std::erase_if(values, [](T value) { return std::isnan(value); });
  sorted.missing = static_cast<int64_t>(rows - values.size());
  drift::SortNumbers(values, scratch);
  sorted.values = std::move(values);
  return sorted;
}

std::vector<float> Narrow(const std::vector<double>& sorted) {
  std::vector<float> narrow(sorted.size());
  for (size_t i = 0; i < sorted.size(); ++i) narrow[i] = static_cast<float>(sorted[i]);
  return narrow;
}

FeatureBins BinsOf(const std::string& name, const std::vector<float>& sorted) {
  return FeatureBins::NumericOfSorted(name, sorted);
}
FeatureBins BinsOf(const std::string& name, const std::vector<double>& sorted) {
  return FeatureBins::NumericOfSorted(name, Narrow(sorted));
}

// Categories of either kind of values; "" is missing.
std::map<std::string, int64_t, std::less<>> CountCategories(const ColumnValues& column) {
  std::map<std::string, int64_t, std::less<>> counts;
  if (const auto* texts = std::get_if<std::vector<std::string>>(&column.values)) {
    for (const std::string& text : *texts) ++counts[text];
    return counts;
  }
  std::map<double, int64_t> numbers;
  const auto count = [&](const auto& values) {
    for (const auto value : values) {
      if (std::isnan(value)) {
        ++counts[""];
      } else {
        ++numbers[static_cast<double>(value)];
      }
    }
  };
  if (const auto* floats = std::get_if<std::vector<float>>(&column.values)) {
    count(*floats);
  } else {
    count(std::get<std::vector<double>>(column.values));
  }
  for (const auto& [number, rows] : numbers) counts[drift::NumberText(number)] += rows;
  return counts;
}

ColumnCounts CountInCategories(const FeatureBins& bins, const ColumnValues& column) {
  ColumnCounts counts(bins);
  for (const auto& [category, rows] : CountCategories(column))
    counts.bins[bins.BinOfText(category)] += rows;
  return counts;
}

ColumnCounts CountInBins(const FeatureBins& bins, const ColumnValues& column) {
  if (bins.kind() == FeatureKind::kCategorical) return CountInCategories(bins, column);
  ColumnCounts counts(bins);
  if (const auto* floats = std::get_if<std::vector<float>>(&column.values)) {
    drift::CountNumbers(bins, *floats, counts);
  } else if (const auto* doubles = std::get_if<std::vector<double>>(&column.values)) {
    drift::CountNumbers(bins, *doubles, counts);
  }
  return counts;
}

// How one column is compared.
class ColumnComparison {
 public:
  ColumnComparison(const DriftArguments& arguments, const drift::CompareOptions& options)
      : arguments_(arguments), options_(options) {
    const auto wanted = [&](std::string_view metric) {
      return options.metrics.empty() || std::find(options.metrics.begin(), options.metrics.end(),
                                                  metric) != options.metrics.end();
    };
    exact_ = wanted("ks") || wanted("wasserstein") || wanted("wasserstein_normed");
  }

  [[nodiscard]] bool IsCategorical(const TableColumn& column) const {
    return column.type == "string" || column.type == "bool" ||
           Contains(arguments_.categorical, column.name);
  }
  ColumnProfile Profile(const TableColumn& about, ColumnValues values);
  drift::ColumnReport Compare(const ColumnProfile& profile, const ColumnValues& current) {
    return drift::CompareColumn(profile, CountInBins(profile.bins, current), options_);
  }
  // From the rows of both sides: KS and Wasserstein are exact when they are wanted.
  std::pair<ColumnProfile, drift::ColumnReport> CompareRows(const TableColumn& about,
                                                            ColumnValues reference,
                                                            ColumnValues current);

 private:
  template <typename T>
  ColumnProfile ProfileOfSorted(const TableColumn& about, const Sorted<T>& sorted);
  template <typename T>
  std::pair<ColumnProfile, drift::ColumnReport> CompareNumbers(const TableColumn& about,
                                                               std::vector<T> reference,
                                                               std::vector<T> current);
  const DriftArguments& arguments_;
  const drift::CompareOptions& options_;
  bool exact_ = false;
};

template <typename T>
ColumnProfile ColumnComparison::ProfileOfSorted(const TableColumn& about, const Sorted<T>& sorted) {
  ColumnProfile profile{BinsOf(about.name, sorted.values), about.type, {}};
  profile.counts = ColumnCounts(profile.bins);
  drift::CountNumbers(profile.bins, std::span<const T>(sorted.values), profile.counts);
  profile.counts.bins[FeatureBins::kMissing] += sorted.missing;
  return profile;
}

ColumnProfile ColumnComparison::Profile(const TableColumn& about, ColumnValues values) {
  if (IsCategorical(about)) {
    auto counts = CountCategories(values);
    counts.erase("");
    ColumnProfile profile{FeatureBins::CategoricalOfCounts(about.name, counts), about.type, {}};
    profile.counts = CountInCategories(profile.bins, values);
    return profile;
  }
  if (auto* floats = std::get_if<std::vector<float>>(&values.values))
    return ProfileOfSorted(about, Sort(std::move(*floats)));
  return ProfileOfSorted(about, Sort(std::move(std::get<std::vector<double>>(values.values))));
}

template <typename T>
std::pair<ColumnProfile, drift::ColumnReport> ColumnComparison::CompareNumbers(
    const TableColumn& about, std::vector<T> reference, std::vector<T> current) {
  const Sorted<T> sorted = Sort(std::move(reference));
  ColumnProfile profile = ProfileOfSorted(about, sorted);
  ColumnCounts counts(profile.bins);
  drift::CountNumbers(profile.bins, std::span<const T>(current), counts);
  std::optional<drift::SampleDistances> sample;
  if (exact_) {
    const Sorted<T> other = Sort(std::move(current));
    sample = drift::MeasureSamples(sorted.Finite(), other.Finite());
    // An infinite value has its place in a distribution function, but no distance.
    const std::span<const T> all(sorted.values);
    const std::span<const T> all_others(other.values);
    if (sorted.Finite().size() < all.size() || other.Finite().size() < all_others.size())
      sample->kolmogorov_smirnov = drift::MeasureSamples(all, all_others).kolmogorov_smirnov;
  }
  drift::ColumnReport report = drift::CompareColumn(profile, counts, options_, sample);
  return {std::move(profile), std::move(report)};
}

std::vector<double> Widen(ColumnValues& column) {
  if (auto* doubles = std::get_if<std::vector<double>>(&column.values)) return std::move(*doubles);
  const auto& floats = std::get<std::vector<float>>(column.values);
  return {floats.begin(), floats.end()};
}

std::pair<ColumnProfile, drift::ColumnReport> ColumnComparison::CompareRows(
    const TableColumn& about, ColumnValues reference, ColumnValues current) {
  if (IsCategorical(about)) {
    ColumnProfile profile = Profile(about, std::move(reference));
    drift::ColumnReport report = Compare(profile, current);
    return {std::move(profile), std::move(report)};
  }
  auto* floats = std::get_if<std::vector<float>>(&reference.values);
  auto* other_floats = std::get_if<std::vector<float>>(&current.values);
  if (floats != nullptr && other_floats != nullptr)
    return CompareNumbers(about, std::move(*floats), std::move(*other_floats));
  return CompareNumbers(about, Widen(reference), Widen(current));
}

std::vector<TableColumn> ColumnsOf(const DriftReference& reference) {
  if (reference.table) return reference.table->columns();
  std::vector<TableColumn> columns;
  for (const ColumnProfile& column : reference.profile.columns)
    columns.push_back({column.bins.name(), column.type});
  return columns;
}

base::Result<std::vector<std::string_view>> ChooseMetrics(const DriftArguments& arguments) {
  std::vector<std::string_view> chosen;
  const std::span<const std::string_view> known = drift::Metrics();
  for (const std::string& name : arguments.metrics) {
    const auto found = std::find(known.begin(), known.end(), name);
    if (found == known.end()) {
      std::string all;
      for (const std::string_view metric : known)
        all += (all.empty() ? "" : ", ") + std::string(metric);
      return base::InvalidArgument("metrics", "expected one of " + all + ", got '" + name + "'");
    }
    chosen.push_back(*found);
  }
  return chosen;
}

}  // namespace

base::Result<ColumnPairs> PairColumns(const DriftReference& reference, const TableSource& current,
                                      const std::vector<std::string>& chosen) {
  ColumnPairs result;
  const std::vector<TableColumn> columns = ColumnsOf(reference);
  const auto reference_has = [&](std::string_view name) {
    return std::any_of(columns.begin(), columns.end(),
                       [&](const TableColumn& column) { return column.name == name; });
  };
  for (const std::string& name : chosen) {
    if (!reference_has(name) && !current.Find(name))
      return base::InvalidArgument("columns", "neither side has a column '" + name + "'");
  }
  const auto wanted = [&](std::string_view name) {
    return chosen.empty() || Contains(chosen, name);
  };
  for (size_t i = 0; i < columns.size(); ++i) {
    const TableColumn& column = columns[i];
    if (!wanted(column.name)) continue;
    const std::optional<size_t> found = current.Find(column.name);
    if (!found) {
      result.changes.push_back({column.name, "missing", column.type, ""});
      continue;
    }
    const std::string& type = current.columns()[*found].type;
    if (FamilyOf(type) != FamilyOf(column.type)) {
      result.changes.push_back({column.name, "type", column.type, type});
    } else {
      result.pairs.push_back({column.name, i, *found});
    }
  }
  for (const TableColumn& column : current.columns()) {
    if (wanted(column.name) && !reference_has(column.name))
      result.changes.push_back({column.name, "added", "", column.type});
  }
  return result;
}

base::Status ForColumns(const DriftReference& reference, const TableSource& current, size_t count,
                        const ColumnWork& work) {
  std::atomic<size_t> next{0};
  std::mutex mutex;
  base::Status failed;
  const auto one_after_another = [&]() -> base::Status {
    std::unique_ptr<TableSource> own_reference;
    if (reference.table) own_reference = TRY(reference.table->Another());
    const std::unique_ptr<TableSource> own_current = TRY(current.Another());
    for (size_t i = next++; i < count; i = next++) TRY(work(own_reference.get(), *own_current, i));
    return base::Status::Ok();
  };
  const auto run = [&] {
    base::Status status = one_after_another();
    if (status.ok()) return;
    next = count;
    const std::lock_guard lock(mutex);
    if (failed.ok()) failed = std::move(status);
  };
  std::vector<std::thread> threads;
  for (size_t i = 1; i < std::min(kThreads, count); ++i) threads.emplace_back(run);
  run();
  for (std::thread& thread : threads) thread.join();
  return failed;
}

base::Result<Compared> CompareTables(const DriftArguments& arguments, DriftReference& reference,
                                     const TableSource& current) {
  drift::CompareOptions options;
  options.psi_threshold = arguments.threshold.value_or(drift::kPsiThreshold);
  options.alpha = arguments.alpha;
  options.metrics = TRY(ChooseMetrics(arguments));
  ColumnPairs columns = TRY(PairColumns(reference, current, arguments.columns));
  Compared result;
  drift::Report& report = result.report;
  report.reference = arguments.reference;
  report.current = arguments.current;
  report.reference_rows = reference.table ? reference.table->rows() : reference.profile.rows;
  report.rows = current.rows();
  report.psi_threshold = options.psi_threshold;
  report.alpha = options.alpha;
  report.schema = std::move(columns.changes);
  report.columns.resize(columns.pairs.size());
  std::vector<ColumnProfile> profiles(columns.pairs.size());
  TRY(ForColumns(reference, current, columns.pairs.size(),
                 [&](TableSource* from, TableSource& to, size_t i) -> base::Status {
                   const ColumnPair& pair = columns.pairs[i];
                   ColumnComparison comparison(arguments, options);
                   ColumnValues values = TRY(to.Read(pair.current));
                   if (from == nullptr) {
                     profiles[i] = std::move(reference.profile.columns[pair.reference]);
                     report.columns[i] = comparison.Compare(profiles[i], values);
                     return base::Status::Ok();
                   }
                   std::tie(profiles[i], report.columns[i]) =
                       comparison.CompareRows(from->columns()[pair.reference],
                                              TRY(from->Read(pair.reference)), std::move(values));
                   return base::Status::Ok();
                 }));
  drift::JudgeColumns(report.columns, report.alpha);
  for (const drift::ColumnReport& column : report.columns) {
    report.drifted += column.drifted ? 1 : 0;
    report.above_threshold += column.above_threshold ? 1 : 0;
    report.unjudged += column.judged ? 0 : 1;
  }
  result.profile = {arguments.reference, report.reference_rows, std::move(profiles)};
  return result;
}

base::Result<drift::Profile> ProfileTable(const DriftArguments& arguments, TableSource& table) {
  drift::Profile profile{arguments.reference, table.rows(), {}};
  const drift::CompareOptions options;
  ColumnComparison comparison(arguments, options);
  for (const std::string& name : arguments.columns) {
    if (!table.Find(name))
      return base::InvalidArgument("columns", "the reference has no column '" + name + "'");
  }
  for (size_t i = 0; i < table.columns().size(); ++i) {
    const TableColumn& about = table.columns()[i];
    if (arguments.columns.empty() || Contains(arguments.columns, about.name))
      profile.columns.push_back(comparison.Profile(about, TRY(table.Read(i))));
  }
  return profile;
}

}  // namespace slipway::cli
