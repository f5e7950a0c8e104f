// SPDX-License-Identifier: Apache-2.0
#include "monitoring/windows/window_quality.h"

#include <gtest/gtest.h>

#include <cmath>

#include "monitoring/records_testing.h"
#include "monitoring/window_table.h"

namespace slipway::monitoring {
namespace {

using inference::Tensor;

MonitorSettings Hourly() {
  MonitorSettings settings;
  settings.window = {base::kHour};
  return settings;
}

// The table of one endpoint with this rule, and the quality of its one window.
class Endpoint {
 public:
  explicit Endpoint(ScoreRule rule) : rule_(rule), table_(Hourly(), 0, {{"flights", rule}}) {}
  void Answer(PredictionRecord record, const std::vector<LabelValue>& labels) {
    const EncodedRecord encoded(record);
    table_.Count(encoded.view, encoded.bytes);
    for (size_t row = 0; row < labels.size(); ++row) {
      const auto number = static_cast<int64_t>(row);
      table_.Join(FactsOf(encoded.view, number, rule_), labels[row], record.time + 10);
    }
  }
  const EndpointState& state() const { return table_.endpoints().at("flights"); }
  const Cell& cell() const { return state().windows.begin()->second.cells.begin()->second; }
  std::optional<WindowQuality> Quality() const {
    std::vector<QualityRow> rows = cell().scored;
    const Task task = cell().classes ? Task::kMulticlass : rule_.task;
    return MeasureWindow(rows, task, state().classes.Names(), 0.95);
  }

 private:
  ScoreRule rule_;
  WindowTable table_;
};

PredictionRecord NumbersRecord(uint64_t id, const std::vector<float>& values) {
  const auto rows = static_cast<int64_t>(values.size());
  PredictionRecord record = TestRecord(id, 5, 0.5f);
  record.rows = rows;
  record.inputs = {{"x", Tensor::Of<float>({rows}, std::vector<float>(values.size()))}};
  record.outputs = {{"variable", Tensor::Of<float>({rows, 1}, values)}};
  return record;
}

PredictionRecord ClassesRecord(uint64_t id, const std::vector<float>& scores) {
  const auto rows = static_cast<int64_t>(scores.size() / 3);
  PredictionRecord record = TestRecord(id, 5, 0.5f);
  record.rows = rows;
  record.inputs = {{"x", Tensor::Of<float>({rows}, std::vector<float>(scores.size() / 3))}};
  record.outputs = {{"probabilities", Tensor::Of<float>({rows, 3}, scores)}};
  return record;
}

// scikit-learn on the same rows.
TEST(WindowQuality, MeasuresTwoClassesAsScikitLearnDoes) {
  Endpoint endpoint({});
  const std::vector<float> scores{0.125f, 0.375f, 0.375f, 0.625f, 0.875f, 0.75f, 0.25f, 0.5f};
  endpoint.Answer(TestRecord(1, 5, scores, scores, std::vector<std::string>(8, "EWR")),
                  {false, true, false, true, true, false, false, true});
  const auto quality = endpoint.Quality();
  ASSERT_TRUE(quality);
  EXPECT_EQ(quality->task, Task::kBinary);
  EXPECT_EQ(quality->n, 8);
  EXPECT_EQ(quality->positives, 4);
  EXPECT_DOUBLE_EQ(quality->Find("auc")->value, 0.78125);
  EXPECT_NEAR(quality->Find("pr_auc")->value, 0.7708333333333333, 1e-12);
  EXPECT_DOUBLE_EQ(quality->Find("accuracy")->value, 0.625);
  EXPECT_NEAR(quality->Find("f1")->value, 4.0 / 7, 1e-12);
  EXPECT_NEAR(quality->Find("brier")->value, 0.197265625, 1e-12);
  int64_t rows = 0;
  for (const ReliabilityBin& bin : quality->reliability) rows += bin.n;
  EXPECT_EQ(rows, 8);
  for (const auto& [name, estimate] : quality->metrics) {
    EXPECT_LE(estimate.lower, estimate.value) << name;
    EXPECT_GE(estimate.upper, estimate.value) << name;
  }
}

TEST(WindowQuality, MeasuresNumbersWhereALabelIsNeitherZeroNorOne) {
  Endpoint endpoint({});
  endpoint.Answer(NumbersRecord(1, {1, 2, 3, 4}), {1.5, 2.0, 2.0, 8.0});
  const auto quality = endpoint.Quality();
  ASSERT_TRUE(quality);
  EXPECT_EQ(quality->task, Task::kRegression);
  EXPECT_DOUBLE_EQ(quality->Find("mae")->value, 5.5 / 4);
  EXPECT_NEAR(quality->Find("rmse")->value, std::sqrt(17.25 / 4), 1e-12);
  EXPECT_EQ(quality->Find("auc"), nullptr);
}

TEST(WindowQuality, TakesTheTaskFromTheSetting) {
  Endpoint endpoint({.task = Task::kRegression});
  endpoint.Answer(NumbersRecord(1, {0.5f, 0.25f}), {1.0, 0.0});
  EXPECT_EQ(endpoint.Quality()->task, Task::kRegression);
}

// sklearn.metrics.f1_score(average="macro") and accuracy_score.
TEST(WindowQuality, MeasuresSeveralClasses) {
  Endpoint endpoint({});
  endpoint.Answer(
      ClassesRecord(1, {0.8f, 0.1f, 0.1f, 0.1f, 0.8f, 0.1f, 0.1f, 0.1f, 0.8f, 0.8f, 0.1f, 0.1f}),
      {0.0, 1.0, 1.0, 0.0});
  const auto quality = endpoint.Quality();
  ASSERT_TRUE(quality);
  EXPECT_EQ(quality->task, Task::kMulticlass);
  EXPECT_DOUBLE_EQ(quality->Find("accuracy")->value, 0.75);
  EXPECT_NEAR(quality->Find("macro_f1")->value, (1.0 + 2.0 / 3 + 0) / 3, 1e-12);
  EXPECT_LT(quality->Find("macro_f1")->lower, quality->Find("macro_f1")->value);
}

TEST(WindowQuality, ComparesTheAnsweredClassByItsName) {
  PredictionRecord record = ClassesRecord(1, {0.1f, 0.7f, 0.2f, 0.6f, 0.2f, 0.2f});
  record.outputs = {{"label", Tensor::Of<std::string>({2}, {"cat", "dog"})}};
  Endpoint endpoint({.task = Task::kMulticlass});
  endpoint.Answer(record, {std::string("cat"), std::string("cow")});
  EXPECT_DOUBLE_EQ(endpoint.Quality()->Find("accuracy")->value, 0.5);
}

TEST(WindowQuality, TellsSegmentsApartWithAnUpperLimit) {
  Endpoint endpoint({.segments = {"place", "x"}});
  endpoint.Answer(TestRecord(1, 5, {0.9f, 0.1f, 0.8f}, {1, 2, 2}, {"EWR", "JFK", "JFK"}),
                  {true, false, false});
  const auto count = [&](size_t feature, const std::string& value) {
    const uint8_t id = endpoint.state().segments.Find(feature, value);
    const auto found = endpoint.cell().segments.find({static_cast<uint8_t>(feature), id});
    return found == endpoint.cell().segments.end() ? SegmentCounts() : found->second;
  };
  EXPECT_EQ(count(0, "EWR").rows, 1);
  EXPECT_EQ(count(0, "JFK").rows, 2);
  EXPECT_EQ(count(0, "JFK").labelled_rows, 2);
  EXPECT_EQ(count(0, "JFK").label_delay, 20);
  EXPECT_EQ(count(1, "2").rows, 2);
  for (uint64_t i = 0; i < 100; ++i)
    endpoint.Answer(TestRecord(i + 2, 5, 0.5f, static_cast<float>(i) + 10), {true});
  EXPECT_LE(endpoint.cell().segments.size(), 2 * (kMaxSegmentValues + 1));
  EXPECT_EQ(count(1, "other").rows, 100 - (static_cast<int64_t>(kMaxSegmentValues) - 2));
}

}  // namespace
}  // namespace slipway::monitoring
