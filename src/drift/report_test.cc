// SPDX-License-Identifier: Apache-2.0
#include "drift/report.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "drift/report_html.h"

namespace slipway::drift {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::vector<double> Normal(int rows, double shift, std::mt19937_64& random) {
  std::normal_distribution<double> noise(shift, 1);
  std::vector<double> values;
  for (int i = 0; i < rows; ++i) values.push_back(noise(random));
  return values;
}

ColumnProfile ProfileOf(const std::string& name, const std::vector<double>& values) {
  ColumnProfile profile{FeatureBins::Numeric(name, values), "double", {}};
  profile.counts = ColumnCounts(profile.bins);
  CountNumbers(profile.bins, values, profile.counts);
  return profile;
}

ColumnProfile ProfileOf(const std::string& name, const std::vector<std::string>& values) {
  ColumnProfile profile{FeatureBins::Categorical(name, values), "string", {}};
  profile.counts = ColumnCounts(profile.bins);
  for (const std::string& value : values) CountText(profile.bins, value, profile.counts);
  return profile;
}

ColumnReport Compare(const ColumnProfile& reference, const std::vector<double>& values) {
  ColumnCounts counts(reference.bins);
  CountNumbers(reference.bins, values, counts);
  return CompareColumn(reference, counts, {});
}

ColumnReport Compare(const ColumnProfile& reference, const std::vector<std::string>& values) {
  ColumnCounts counts(reference.bins);
  for (const std::string& value : values) CountText(reference.bins, value, counts);
  return CompareColumn(reference, counts, {});
}

ColumnReport Judged(ColumnReport report) {
  JudgeColumns(std::span(&report, 1), kAlpha);
  return report;
}

TEST(CompareColumn, HasEveryMetricInOrder) {
  std::mt19937_64 random(1);
  const ColumnProfile reference = ProfileOf("x", Normal(1000, 0, random));
  const ColumnReport report = Compare(reference, Normal(500, 0.1, random));
  ASSERT_EQ(report.scores.size(), Metrics().size());
  for (size_t i = 0; i < report.scores.size(); ++i) EXPECT_EQ(report.scores[i].name, Metrics()[i]);
  const ColumnReport few = CompareColumn(reference, reference.counts, {.metrics = {"ks", "psi"}});
  ASSERT_EQ(few.scores.size(), 2u);
  EXPECT_EQ(few.scores[0].name, "psi");
  EXPECT_EQ(few.scores[1].value, 0);
}

TEST(CompareColumn, SaysHowManyRowsItNeeds) {
  std::mt19937_64 random(2);
  const ColumnProfile reference = ProfileOf("x", Normal(1000, 0, random));
  const ColumnReport few = Judged(Compare(reference, Normal(20, 9, random)));
  EXPECT_FALSE(few.judged);
  EXPECT_FALSE(few.drifted);
  EXPECT_EQ(few.needs_rows, 30);
  EXPECT_FALSE(few.reference_is_small);
  EXPECT_TRUE(few.above_threshold);
  const ColumnReport small = Compare(ProfileOf("x", Normal(40, 0, random)), Normal(90, 0, random));
  EXPECT_EQ(small.needs_rows, 10);
  EXPECT_TRUE(small.reference_is_small);
  // The chi-square limit of PSI needs more rows than the verdict does.
  const ColumnReport hundred = Compare(reference, Normal(100, 0, random));
  EXPECT_TRUE(hundred.judged);
  EXPECT_FALSE(hundred.Find("psi")->p_value.has_value());
  EXPECT_TRUE(Compare(reference, Normal(300, 0, random)).Find("psi")->p_value.has_value());
}

TEST(CompareColumn, ExactDistancesReplaceTheGrids) {
  std::mt19937_64 random(3);
  const ColumnProfile reference = ProfileOf("x", Normal(1000, 0, random));
  const ColumnReport report =
      CompareColumn(reference, reference.counts, {},
                    SampleDistances{.kolmogorov_smirnov = 0.25, .wasserstein = 0.5});
  EXPECT_EQ(report.Find("ks")->value, 0.25);
  EXPECT_EQ(report.Find("ks")->error, 0);
  EXPECT_LT(*report.Find("ks")->p_value, 1e-6);
  EXPECT_EQ(report.Find("wasserstein")->value, 0.5);
}

// Each kind of change, seen by the test that is for it.
TEST(Verdict, NamesTheTestThatSawTheChange) {
  std::mt19937_64 random(4);
  const std::vector<double> values = Normal(5000, 0, random);
  const ColumnProfile reference = ProfileOf("x", values);
  const auto decided = [&](const std::vector<double>& current) {
    const ColumnReport report = Judged(Compare(reference, current));
    return report.drifted ? report.decided_by : "";
  };
  EXPECT_EQ(decided(Normal(1000, 0, random)), "");
  EXPECT_EQ(decided(Normal(1000, 0.3, random)), "rank_sum");
  std::vector<double> wide = Normal(1000, 0, random);
  for (double& value : wide) value *= 1.5;
  EXPECT_EQ(decided(wide), "bins");
  std::vector<double> holes = Normal(1000, 0, random);
  for (int i = 0; i < 12; ++i) holes[static_cast<size_t>(i)] = kNaN;
  EXPECT_EQ(decided(holes), "missing");
  std::vector<double> beyond = Normal(1000, 0, random);
  for (int i = 0; i < 12; ++i) beyond[static_cast<size_t>(i)] = i % 4 == 0 ? -50 : 50;
  EXPECT_EQ(decided(beyond), "range");
}

TEST(Verdict, OneOutlierNeitherHidesNorFakesAShift) {
  std::mt19937_64 random(5);
  std::vector<double> values = Normal(5000, 0, random);
  const ColumnProfile clean = ProfileOf("x", values);
  values[17] = 1e6;
  const ColumnProfile with_outlier = ProfileOf("x", values);
  for (const double outlier : {1e6, -1e6, 0.0}) {
    std::vector<double> same = Normal(1000, 0, random);
    std::vector<double> moved = Normal(1000, 0.3, random);
    if (outlier != 0) same[3] = moved[3] = outlier;
    for (const ColumnProfile* reference : {&clean, &with_outlier}) {
      const ColumnReport hidden = Judged(Compare(*reference, moved));
      const ColumnReport faked = Judged(Compare(*reference, same));
      EXPECT_TRUE(hidden.drifted) << outlier;
      EXPECT_FALSE(faked.drifted) << outlier;
      EXPECT_FALSE(faked.above_threshold) << outlier;
    }
  }
}

TEST(Verdict, SeesNewCategoriesAndMovedShares) {
  std::vector<std::string> places(600, "EWR");
  places.insert(places.end(), 400, "JFK");
  const ColumnProfile reference = ProfileOf("origin", places);
  EXPECT_FALSE(Judged(Compare(reference, places)).drifted);
  std::vector<std::string> moved(500, "EWR");
  moved.insert(moved.end(), 500, "JFK");
  EXPECT_EQ(Judged(Compare(reference, moved)).decided_by, "bins");
  std::vector<std::string> novel = places;
  for (int i = 0; i < 20; ++i) novel[static_cast<size_t>(i)] = "SFO";
  const ColumnReport report = Judged(Compare(reference, novel));
  EXPECT_TRUE(report.drifted);
  EXPECT_EQ(report.decided_by, "unseen");
  EXPECT_NEAR(report.unseen_share, 0.02, 1e-12);
}

// Where a plain goodness-of-fit test would alarm nearly always.
TEST(Verdict, StaysQuietOnManyRareCategories) {
  std::mt19937_64 random(6);
  std::vector<double> weights;
  for (int i = 1; i <= 1000; ++i) weights.push_back(1.0 / i);
  std::discrete_distribution<int> zipf(weights.begin(), weights.end());
  const auto draw = [&] {
    std::vector<std::string> values;
    for (int i = 0; i < 1000; ++i) values.push_back("c" + std::to_string(zipf(random)));
    return values;
  };
  int alarms = 0;
  for (int window = 0; window < 12; ++window)
    alarms += Judged(Compare(ProfileOf("id", draw()), draw())).drifted ? 1 : 0;
  EXPECT_LE(alarms, 2);
}

// 30 columns; the first is moved by `shift`. How many of the windows have a finding.
int Alarms(int windows, int rows, double shift) {
  std::mt19937_64 random(8);
  std::vector<ColumnProfile> profiles;
  for (int i = 0; i < 30; ++i)
    profiles.push_back(ProfileOf("f" + std::to_string(i), Normal(2000, 0, random)));
  int alarmed = 0;
  for (int window = 0; window < windows; ++window) {
    std::vector<ColumnReport> columns;
    for (const ColumnProfile& profile : profiles) {
      ColumnCounts counts(profile.bins);
      CountNumbers(profile.bins, Normal(rows, columns.empty() ? shift : 0, random), counts);
      columns.push_back(CompareColumn(profile, counts, {.metrics = {"psi"}}));
    }
    JudgeColumns(columns, kAlpha);
    alarmed += std::any_of(columns.begin(), columns.end(),
                           [](const ColumnReport& column) { return column.drifted; })
                   ? 1
                   : 0;
  }
  return alarmed;
}

// bench/run_drift prints the whole table; seeds are fixed here.
TEST(Verdict, KeepsItsPromiseOverThirtyColumns) {
  EXPECT_LE(Alarms(10, 100, 0), 1);
  EXPECT_EQ(Alarms(4, 300, 0.5), 4);
}

TEST(Report, IsJsonWithItsScoresByName) {
  std::mt19937_64 random(7);
  const ColumnProfile reference = ProfileOf("x", Normal(1000, 0, random));
  Report report;
  report.reference = "train.csv";
  report.columns.push_back(Compare(reference, Normal(500, 1, random)));
  report.schema.push_back({"y", "missing", "double", ""});
  JudgeColumns(report.columns, report.alpha);
  const base::Json json = ReportJson(report);
  const base::Json& column = json.Find("columns")->AsArray()[0];
  EXPECT_TRUE(column.Find("drifted")->AsBool());
  EXPECT_GT(column.Find("scores")->Find("psi")->Find("value")->AsDouble(), 0.2);
  EXPECT_EQ(column.Find("bins")->AsArray().size(), 13u);
  EXPECT_EQ(json.Find("schema_changes")->AsArray()[0].Find("change")->AsString(), "missing");
}

TEST(ReportHtml, ShowsWhatTheFileSaysAsText) {
  std::mt19937_64 random(9);
  Report report;
  report.reference = "<script>.csv";
  report.columns.push_back(
      Compare(ProfileOf("a<b&c", Normal(500, 0, random)), Normal(400, 2, random)));
  report.columns.push_back(
      Compare(ProfileOf("few", Normal(500, 0, random)), Normal(10, 2, random)));
  report.schema.push_back({"gone", "missing", "double", ""});
  JudgeColumns(report.columns, report.alpha);
  const std::string html = ReportHtml(report);
  EXPECT_EQ(html.find("<script>"), std::string::npos);
  EXPECT_NE(html.find("a&lt;b&amp;c"), std::string::npos);
  EXPECT_NE(html.find("needs 40 more rows"), std::string::npos);
  EXPECT_NE(html.find("<b>gone</b> is missing"), std::string::npos);
}

}  // namespace
}  // namespace slipway::drift
