// SPDX-License-Identifier: Apache-2.0
#include "monitoring/window_table.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cmath>

#include "monitoring/pending_labels.h"
#include "monitoring/records_testing.h"
#include "monitoring/windows/window_quality.h"

namespace slipway::monitoring {
namespace {

constexpr base::Micros kHour = base::kHour;

MonitorSettings Hourly() {
  MonitorSettings settings;
  settings.window = {kHour};
  settings.baseline_rows = 20;
  return settings;
}

Baseline SmallBaseline() {
  std::vector<double> x;
  std::vector<std::string> places;
  std::vector<double> scores;
  for (int i = 0; i < 100; ++i) {
    x.push_back(i / 100.0);
    places.push_back(i % 2 == 0 ? "EWR" : "JFK");
    scores.push_back(i / 100.0);
  }
  return MakeBaseline({{"x", x}, {"place", places}}, scores, "test").value();
}

void Count(WindowTable& table, const PredictionRecord& record) {
  const EncodedRecord encoded(record);
  table.Count(encoded.view, encoded.bytes);
}

Joined Join(WindowTable& table, const PredictionRecord& record, int64_t row, LabelValue value,
            base::Micros time) {
  const EncodedRecord encoded(record);
  return table.Join(FactsOf(encoded.view, row, table.RuleOf("flights")), value, time);
}

// Without what a correction has withdrawn.
std::vector<QualityRow> Live(const Cell& cell) {
  std::vector<QualityRow> rows;
  std::copy_if(cell.scored.begin(), cell.scored.end(), std::back_inserter(rows),
               [](const QualityRow& row) { return !std::isnan(row.score); });
  return rows;
}

const Cell& OnlyCell(WindowTable& table) {
  table.Settle();
  return table.endpoints().at("flights").windows.begin()->second.cells.begin()->second;
}

TEST(WindowTable, AlignsWindowsToTheOrigin) {
  const WindowTable table(Hourly(), 10 * base::kMinute, {});
  EXPECT_EQ(table.WindowStart(10 * base::kMinute), 10 * base::kMinute);
  EXPECT_EQ(table.WindowStart(70 * base::kMinute - 1), 10 * base::kMinute);
  EXPECT_EQ(table.WindowStart(70 * base::kMinute), 70 * base::kMinute);
  EXPECT_EQ(table.WindowStart(0), -50 * base::kMinute);
}

TEST(WindowTable, CountsEachFeatureInItsBaselinesBins) {
  WindowTable table(Hourly(), 0, {});
  Count(table, TestRecord(1, 5, {0.2f, 0.3f}, {0.5f, -1.0f}, {"EWR", "SFO"}));
  ASSERT_EQ(table.TakeUnasked().size(), 1u);
  table.SetBaseline("flights", 1, SmallBaseline());
  Count(table, TestRecord(2, 6, 0.4f, NAN, ""));
  const Cell& cell = OnlyCell(table);
  EXPECT_EQ(cell.requests, 2);
  EXPECT_EQ(cell.rows, 3);
  EXPECT_EQ(cell.counts.features[0].bins[FeatureBins::kBelow], 1);
  EXPECT_EQ(cell.counts.features[0].bins[FeatureBins::kMissing], 1);
  EXPECT_EQ(cell.counts.features[1].bins[FeatureBins::kUnseen], 1);
  EXPECT_EQ(cell.counts.features[1].bins[FeatureBins::kMissing], 1);
  EXPECT_EQ(std::count(cell.counts.score.bins.begin(), cell.counts.score.bins.end(), 1), 3);
}

TEST(WindowTable, CountsAFailedRequestButNotItsRows) {
  WindowTable table(Hourly(), 0, {});
  PredictionRecord record = TestRecord(1, 5, 0.2f);
  record.status_code = 13;
  Count(table, record);
  EXPECT_EQ(OnlyCell(table).requests, 1);
  EXPECT_EQ(OnlyCell(table).failed_requests, 1);
  EXPECT_EQ(OnlyCell(table).rows, 0);
  EXPECT_TRUE(table.TakeUnasked().empty());
}

TEST(WindowTable, MakesABaselineOfTheFirstRowsAndCountsThemToo) {
  WindowTable table(Hourly(), 0, {});
  for (int i = 0; i < 10; ++i)
    Count(table, TestRecord(static_cast<uint64_t>(i), i, static_cast<float>(i) / 10));
  table.SetBaseline("flights", 1, std::nullopt);
  EXPECT_EQ(table.endpoints().at("flights").versions.at(1).profile, nullptr);
  for (int i = 10; i < 25; ++i)
    Count(table, TestRecord(static_cast<uint64_t>(i), i, static_cast<float>(i) / 30));
  const auto& profile = table.endpoints().at("flights").versions.at(1).profile;
  ASSERT_NE(profile, nullptr);
  EXPECT_EQ(profile->baseline().rows, 20);
  EXPECT_EQ(profile->baseline().source, "first 20 predictions");
  int64_t counted = 0;
  for (const int64_t count : OnlyCell(table).counts.score.bins) counted += count;
  EXPECT_EQ(counted, 25);
}

TEST(WindowTable, AsksAgainForABaselineThatCouldNotBeRead) {
  WindowTable table(Hourly(), 0, {});
  for (int i = 0; i < 50; ++i) Count(table, TestRecord(static_cast<uint64_t>(i), i, 0.5f));
  ASSERT_EQ(table.TakeUnasked().size(), 1u);
  table.BaselineFailed("flights", 1);
  EXPECT_TRUE(table.TakeUnasked().empty());
  table.RetryFailed();
  ASSERT_EQ(table.TakeUnasked().size(), 1u);
  table.SetBaseline("flights", 1, SmallBaseline());
  int64_t counted = 0;
  for (const int64_t count : OnlyCell(table).counts.score.bins) counted += count;
  EXPECT_EQ(counted, 50);
}

TEST(WindowTable, MatchesOneWideInputToTheColumnsOfTheBaselineInOrder) {
  WindowTable table(Hourly(), 0, {});
  PredictionRecord record = TestRecord(1, 5, 0.2f);
  record.inputs = {{"X", inference::Tensor::Of<float>({1, 2}, {-1, 0.5f})}};
  std::vector<double> values;
  for (int i = 0; i < 100; ++i) values.push_back(i / 100.0);
  Count(table, record);
  table.SetBaseline("flights", 1, MakeBaseline({{"a", values}, {"b", values}}, {}, "test").value());
  EXPECT_EQ(OnlyCell(table).counts.features[0].bins[FeatureBins::kBelow], 1);
  EXPECT_EQ(OnlyCell(table).counts.features[1].bins[FeatureBins::kBelow], 0);
}

// An image has a hundred thousand numbers: as features they would cost more than the model.
TEST(WindowTable, CountsAnImagesRowsAndScoresButNotItsPixels) {
  WindowTable table(Hourly(), 0, {});
  PredictionRecord record = TestRecord(1, 5, 0.2f);
  record.inputs = {{"image", inference::Tensor(inference::DataType::kFp32, {1, 3, 224, 224})}};
  Count(table, record);
  table.SetBaseline("flights", 1, std::nullopt);
  for (int i = 1; i < 50; ++i) Count(table, record);
  EXPECT_EQ(table.endpoints().at("flights").versions.at(1).profile, nullptr);
  EXPECT_TRUE(table.endpoints().at("flights").versions.at(1).held.empty());
  EXPECT_EQ(OnlyCell(table).rows, 50);
  table.SetBaseline("flights", 1, SmallBaseline());
  Count(table, record);
  int64_t scores = 0;
  for (const int64_t count : OnlyCell(table).counts.score.bins) scores += count;
  EXPECT_EQ(scores, 1);
}

TEST(WindowTable, CountsASegmentsRowsInItsOwnBins) {
  WindowTable table(Hourly(), 0, {{"flights", {.segments = {"place"}}}});
  Count(table, TestRecord(1, 5, {0.2f, 0.3f, 0.9f}, {0.5f, -1.0f, 0.1f}, {"EWR", "JFK", "EWR"}));
  table.SetBaseline("flights", 1, SmallBaseline());
  Count(table, TestRecord(2, 6, 0.4f, NAN, "JFK"));
  const Cell& cell = OnlyCell(table);
  const auto jfk = cell.segments.at({0, 2});
  EXPECT_EQ(jfk.rows, 2);
  EXPECT_EQ(jfk.counts.features[0].bins[FeatureBins::kBelow], 1);
  EXPECT_EQ(jfk.counts.features[0].bins[FeatureBins::kMissing], 1);
  EXPECT_EQ(jfk.counts.score.Rows(), 2);
  EXPECT_EQ(cell.counts.score.Rows(), 4);
}

// More than a block, and more windows than keep fine histograms.
TEST(WindowTable, CountsEveryRowOnceWhereverABlockEnds) {
  WindowTable table(Hourly(), 0, {});
  uint64_t id = 1;
  Count(table, TestRecord(id++, 0, 0.5f));
  table.SetBaseline("flights", 1, SmallBaseline());
  for (int hour = 0; hour < 12; ++hour) {
    for (int i = 0; i < 70; ++i) {
      const std::vector<float> five(5, static_cast<float>(i) / 70);
      Count(table,
            TestRecord(id++, hour * kHour + i, five, five, std::vector<std::string>(5, "EWR")));
    }
  }
  table.Settle();
  const EndpointState& endpoint = table.endpoints().at("flights");
  for (const auto& [start, window] : endpoint.windows) {
    const ProfileCounts& counts = window.cells.begin()->second.counts;
    const int64_t rows = start == 0 ? 351 : 350;
    EXPECT_EQ(counts.features[0].Rows(), rows);
    EXPECT_EQ(counts.features[1].Rows(), rows);
    EXPECT_EQ(counts.score.Rows(), rows);
    EXPECT_EQ(counts.features[0].fine.empty(), start < 4 * kHour);
  }
  EXPECT_EQ(endpoint.versions.at(1).profile->detectors()[0].values(), 351 + 11 * 350);
}

TEST(WindowTable, HearsMoreErrorsThanAmongTheFirstLabels) {
  WindowTable table(Hourly(), 0, {});
  for (uint64_t i = 0; i < 4000; ++i) {
    const PredictionRecord record = TestRecord(i, 5, 0.9f);
    Count(table, record);
    const bool wrong = i % 10 == 0 || (i > 3000 && i % 2 == 0);
    Join(table, record, 0, !wrong, static_cast<base::Micros>(i));
  }
  const auto& errors = table.endpoints().at("flights").versions.at(1).errors;
  ASSERT_TRUE(errors.detector);
  ASSERT_TRUE(errors.detector->episode());
  EXPECT_EQ(errors.detector->episode()->what, "rises");
  EXPECT_GT(errors.detector->episode()->detected, 3000);
  EXPECT_LT(errors.detector->episode()->detected, 3100);
}

TEST(WindowTable, TellsNewDuplicateCorrectedAndOutdatedLabelsApart) {
  WindowTable table(Hourly(), 0, {});
  const PredictionRecord record = TestRecord(1, 5, 0.75f);
  Count(table, record);
  EXPECT_EQ(Join(table, record, 0, true, 100), Joined::kNew);
  EXPECT_EQ(Join(table, record, 0, true, 200), Joined::kDuplicate);
  EXPECT_EQ(Join(table, record, 0, false, 150), Joined::kOutdated);
  EXPECT_EQ(Join(table, record, 0, false, 300), Joined::kCorrected);
  const Cell& cell = OnlyCell(table);
  EXPECT_EQ(cell.labelled_rows, 1);
  EXPECT_EQ(cell.label_delay, 295);
  const std::vector<QualityRow> live = Live(cell);
  ASSERT_EQ(live.size(), 1u);
  EXPECT_EQ(live[0].score, 0.75);
  EXPECT_EQ(live[0].truth, 0);
}

TEST(WindowTable, KeepsALabelThatIsNotBinaryOutOfTheQuality) {
  WindowTable table(Hourly(), 0, {});
  const PredictionRecord record = TestRecord(1, 5, 0.75f);
  Count(table, record);
  EXPECT_EQ(Join(table, record, 0, 17.5, 100), Joined::kNew);
  EXPECT_EQ(OnlyCell(table).labelled_rows, 1);
  EXPECT_TRUE(OnlyCell(table).scored.empty());
}

TEST(WindowTable, ForgetsTheOldestWindowsPastItsLimit) {
  MonitorSettings settings = Hourly();
  settings.keep_windows = 2;
  WindowTable table(settings, 0, {});
  const PredictionRecord first = TestRecord(1, 5, 0.75f);
  Count(table, first);
  for (int hour = 1; hour < 4; ++hour)
    Count(table, TestRecord(static_cast<uint64_t>(hour) + 1, hour * kHour, 0.5f));
  EXPECT_EQ(table.endpoints().at("flights").windows.size(), 2u);
  EXPECT_EQ(table.endpoints().at("flights").windows.begin()->first, 2 * kHour);
  EXPECT_EQ(Join(table, first, 0, true, 100), Joined::kTooOld);
  Count(table, first);
  EXPECT_EQ(table.endpoints().at("flights").windows.size(), 2u);
}

TEST(WindowTable, SealsTheOldestLabelsPastItsLimit) {
  MonitorSettings settings = Hourly();
  settings.max_labels_in_memory = 2;
  WindowTable table(settings, 0, {});
  std::vector<PredictionRecord> records;
  for (int i = 0; i < 3; ++i) {
    records.push_back(TestRecord(static_cast<uint64_t>(i), i * kHour, 0.5f));
    Count(table, records.back());
    Join(table, records.back(), 0, true, i * kHour + 1);
  }
  EXPECT_EQ(Join(table, records[0], 0, false, 10 * kHour), Joined::kTooOld);
  EXPECT_EQ(OnlyCell(table).scored.size(), 1u);  // its quality stands
  EXPECT_EQ(Join(table, records[2], 0, false, 10 * kHour), Joined::kCorrected);
}

// --- Against a naive recomputation
// ------------------------------------------------------------------------------------------

struct LabelEvent {
  int prediction = 0;
  bool value = false;
  int time = 0;
};

struct Naive {
  int64_t labelled = 0;
  base::Micros delay = 0;
  std::vector<QualityRow> scored;
};

// For each row the label with the newest time (of equal ones the later in the log), whatever came
// in between.
std::map<base::Micros, Naive> Recompute(const std::vector<PredictionRecord>& records,
                                        const std::vector<LabelEvent>& labels) {
  std::map<base::Micros, Naive> windows;
  for (size_t i = 0; i < records.size(); ++i) {
    const LabelEvent* winner = nullptr;
    for (const LabelEvent& label : labels) {
      if (label.prediction == static_cast<int>(i) &&
          (winner == nullptr || label.time >= winner->time))
        winner = &label;
    }
    Naive& window = windows[records[i].time / kHour * kHour];
    if (winner == nullptr) continue;
    ++window.labelled;
    window.delay += winner->time - records[i].time;
    window.scored.push_back({static_cast<double>(records[i].outputs[1].tensor.As<float>()[1]),
                             winner->value ? 1.0 : 0.0,
                             {}});
  }
  return windows;
}

// To the last bit.
bool SameMetrics(const WindowQuality& a, const WindowQuality& b) {
  return std::equal(a.metrics.begin(), a.metrics.end(), b.metrics.begin(), b.metrics.end(),
                    [](const auto& x, const auto& y) {
                      return x.first == y.first && x.second.value == y.second.value &&
                             x.second.lower == y.second.lower && x.second.upper == y.second.upper;
                    });
}

TEST(WindowTable, EqualsARecomputationWhateverTheOrderOfLabels) {
  EXPECT_TRUE(rc::check([] {
    const int count = *rc::gen::inRange(1, 25);
    std::vector<PredictionRecord> records;
    for (int i = 0; i < count; ++i) {
      const base::Micros time = *rc::gen::inRange<base::Micros>(0, 3 * kHour);
      records.push_back(TestRecord(static_cast<uint64_t>(i), time,
                                   static_cast<float>(*rc::gen::inRange(0, 8)) / 8));
    }
    std::vector<LabelEvent> labels;
    for (int i = *rc::gen::inRange(0, 60); i > 0; --i) {
      labels.push_back(
          {*rc::gen::inRange(0, count), *rc::gen::arbitrary<bool>(), *rc::gen::inRange(0, 20)});
    }
    WindowTable table(Hourly(), 0, {});
    for (const PredictionRecord& record : records) Count(table, record);
    for (const LabelEvent& label : labels) {
      Join(table, records[static_cast<size_t>(label.prediction)], 0, label.value, label.time);
    }
    for (auto& [start, naive] : Recompute(records, labels)) {
      const Cell& cell = table.endpoints().at("flights").windows.at(start).cells.at({1, "stable"});
      std::vector<QualityRow> scored = Live(cell);
      RC_ASSERT(cell.labelled_rows == naive.labelled);
      RC_ASSERT(cell.label_delay == naive.delay);
      const auto ours = MeasureWindow(scored, Task::kAuto, {}, 0.95);
      const auto theirs = MeasureWindow(naive.scored, Task::kAuto, {}, 0.95);
      RC_ASSERT(ours.has_value() == theirs.has_value());
      // In a second pair of parentheses, because the captured expression would not short-circuit.
      RC_ASSERT((!ours || ours->n == theirs->n));
      RC_ASSERT((!ours || SameMetrics(*ours, *theirs)));
    }
  }));
}

TEST(PendingLabels, WaitForTheirRecordInTheOrderTheyCame) {
  PendingLabels pending;
  PredictionRecord record = TestRecord(1, 5, {0.1f, 0.2f}, {1, 2}, {"", ""});
  record.request_id = "r1";
  pending.Add("flights", {{record.id + ".1", "", 0, true, 1}, 10});
  pending.Add("flights", {{"", "r1", 0, true, 2}, 11});
  pending.Add("flights", {{"", "r1", 5, true, 3}, 12});  // no such row
  pending.Add("flights", {{"", "r2", 0, true, 4}, 13});
  pending.Add("other", {{"", "r1", 0, true, 5}, 14});
  EXPECT_EQ(pending.size(), 5u);
  PredictionRecord failed = record;
  failed.status_code = 13;
  EXPECT_EQ(pending.TakeFor(EncodedRecord(failed).view).size(),
            1u);  // by id; a request's label waits for its answer
  const auto taken = pending.TakeFor(EncodedRecord(record).view);
  ASSERT_EQ(taken.size(), 1u);
  EXPECT_EQ(taken[0].ordinal, 11);
  EXPECT_EQ(pending.size(), 3u);
  EXPECT_TRUE(pending.TakeNewRequests());
  EXPECT_FALSE(pending.TakeNewRequests());
}

}  // namespace
}  // namespace slipway::monitoring
