// SPDX-License-Identifier: Apache-2.0
#include <set>
#include <thread>

#include "monitoring/monitor.h"
#include "monitoring/monitor_testing.h"

namespace slipway::monitoring {
namespace {

using base::kHour;

class MonitorStore : public testing::TestWithParam<std::string>, public MonitorHarness {
 protected:
  MonitorStore() : MonitorHarness(GetParam()) {}
};
INSTANTIATE_TEST_SUITE_P(Databases, MonitorStore, testing::ValuesIn(storage::DatabaseKinds()));

TEST_P(MonitorStore, ShowsAWindowsCountsDriftAndQuality) {
  Start();
  const auto ids = Traffic(0, 400);
  LabelAll({ids.begin(), ids.begin() + 300}, 0);
  const auto windows = monitor_->Windows("flights", {}, {}, {}).value();
  ASSERT_EQ(windows.size(), 1u);
  EXPECT_EQ(windows[0].window, (Span{0, kHour}));
  EXPECT_TRUE(windows[0].closed);
  EXPECT_FALSE(windows[0].version.has_value());
  EXPECT_EQ(windows[0].predictions, 400);
  EXPECT_EQ(windows[0].labels, 300);
  EXPECT_EQ(windows[0].label_coverage, 0.75);
  ASSERT_TRUE(windows[0].quality.has_value());
  EXPECT_EQ(windows[0].quality->n, 300);
  EXPECT_NEAR(windows[0].quality->Find("auc")->value, 5.0 / 6,
              0.05);  // labels drawn from uniform scores
  EXPECT_NEAR(windows[0].quality->mean_label_delay_s, 3600 * 0.625, 10);
  EXPECT_EQ(windows[0].drift_version, 1);
  EXPECT_EQ(windows[0].psi.size(), 2u);
  EXPECT_LT(windows[0].psi.at("x"), 0.05);
  EXPECT_LT(*windows[0].prediction_psi, 0.05);
  const auto drift = monitor_->Drift("flights", {}).value();
  EXPECT_EQ(drift.baseline_source, "training sample");
  EXPECT_EQ(drift.baseline_rows, 1000);
  EXPECT_TRUE(drift.features[0].judged);
  EXPECT_EQ(ToJson(drift).Find("prediction")->Find("n")->AsInt(), 400);
  EXPECT_EQ(ToJson(windows[0]).Find("quality")->Find("n")->AsInt(), 300);
}

TEST_P(MonitorStore, NeverJudgesWhatIsServedWithoutTheRegistry) {
  Start();
  for (uint64_t i = 1; i <= 300; ++i) {
    PredictionRecord record = TestRecord(i, static_cast<base::Micros>(i), 0.9F, 30.0F, "EWR");
    record.arm = "unmanaged";
    Append(record);
  }
  Tick(30 * base::kDay);
  EXPECT_EQ(monitor_->Windows("flights", {}, {}, {}).value().at(0).predictions, 300);
  EXPECT_TRUE(Events("window.judged").empty());
  EXPECT_TRUE(Alerts("firing").empty());
}

TEST_P(MonitorStore, TellsVersionsApartAndAddsThemUp) {
  Start();
  const auto first = Traffic(0, 300, 1);
  const auto second = Traffic(0, 100, 2);
  LabelAll(first, 0);
  LabelAll(second, 0);
  const auto by_version = monitor_->WindowsBy("flights", {.split = Split::kVersion}).value();
  ASSERT_EQ(by_version.size(), 2u);
  EXPECT_EQ(by_version[0].version, 1);
  EXPECT_EQ(by_version[0].predictions, 300);
  EXPECT_EQ(by_version[1].quality->n, 100);
  const auto all = monitor_->Windows("flights", {}, {}, {}).value();
  EXPECT_EQ(all[0].predictions, 400);
  EXPECT_EQ(all[0].drift_version, 1);
  EXPECT_EQ(all[0].quality->n, 400);
  EXPECT_EQ(monitor_->Windows("flights", {}, {}, 2).value().size(), 1u);
  EXPECT_TRUE(monitor_->Windows("flights", {}, {}, 3).value().empty());
  EXPECT_TRUE(monitor_->Windows("none", {}, {}, {}).value().empty());
  EXPECT_TRUE(monitor_->Windows("flights", kHour, {}, {}).value().empty());
}

TEST_P(MonitorStore, HasTheSameNumbersAfterARestart) {
  Start();
  PredictionRecord asked = TestRecord(9'000, 5, {0.25f, 0.75f}, {0.5f, 0.5f}, {"EWR", "JFK"});
  asked.request_id = "early";
  // One label comes before its prediction, one for nobody, one twice, one corrected.
  ASSERT_EQ(monitor_->AddLabels("flights", {{"", "early", 1, true, 10}}).value().unmatched, 1);
  ASSERT_EQ(monitor_->AddLabels("flights", {{"", "nobody", 0, true, 10}}).value().unmatched, 1);
  Append(asked);
  const auto ids = Traffic(0, 300);
  LabelAll(ids, 0);
  const auto outcome = monitor_
                           ->AddLabels("flights", {{ids[0], "", 0, std::string("?"), 2 * kHour},
                                                   {TestUlid(9'000) + ".1", "", 0, true, 10}})
                           .value();
  EXPECT_EQ(outcome.corrected, 1);
  EXPECT_EQ(outcome.duplicate, 1);
  const std::string before = ToJson(monitor_->Windows("flights", {}, {}, {}).value()[0]).Dump();
  const std::string drift = ToJson(monitor_->Drift("flights", {}).value()).Dump();
  EXPECT_EQ(monitor_->LabelOf(TestUlid(9'000) + ".1")->delay, 5);
  Start();
  EXPECT_EQ(ToJson(monitor_->Windows("flights", {}, {}, {}).value()[0]).Dump(), before);
  EXPECT_EQ(ToJson(monitor_->Drift("flights", {}).value()).Dump(), drift);
  EXPECT_EQ(monitor_->Count("flights").rows, 302);
  EXPECT_EQ(monitor_->LabelOf(TestUlid(9'000) + ".1")->value, LabelValue(true));
  // What waited still waits.
  PredictionRecord late = TestRecord(9'001, 5, 0.5f);
  late.request_id = "nobody";
  Append(late);
  monitor_->Flush();
  EXPECT_EQ(monitor_->LabelOf(late.id)->value, LabelValue(true));
}

TEST_P(MonitorStore, ReopensTheQualityOfAWindowForLateLabels) {
  Start();
  const auto ids = Traffic(0, 100);
  LabelAll({ids.begin(), ids.begin() + 50}, 0);
  EXPECT_EQ(monitor_->Windows("flights", {}, {}, {}).value()[0].quality->n, 50);
  LabelAll({ids.begin() + 50, ids.end()}, 24 * 30);
  EXPECT_EQ(monitor_->Windows("flights", {}, {}, {}).value()[0].quality->n, 100);
}

TEST_P(MonitorStore, TellsOfEachLabelledRowOnce) {
  Start();
  PredictionRecord late = TestRecord(9'000, 7, {0.25f, 0.75f}, {1, 2}, {"", ""});
  late.request_id = "late";
  ASSERT_TRUE(monitor_->AddLabels("flights", {{"", "late", 1, true, 10}}).ok());
  EXPECT_TRUE(labelled_.empty());
  Append(late);
  monitor_->Flush();
  ASSERT_EQ(labelled_.size(), 1u);  // by the counting thread
  EXPECT_EQ(labelled_[0].prediction_id, TestUlid(9'000) + ".1");
  EXPECT_EQ(labelled_[0].predicted, 7);
  EXPECT_EQ(labelled_[0].score, 0.75);
  EXPECT_TRUE(labelled_[0].label);
  ASSERT_TRUE(monitor_
                  ->AddLabels("flights", {{TestUlid(9'000) + ".1", "", 0, true, 11},
                                          {TestUlid(9'000) + ".0", "", 0, false, 11}})
                  .ok());
  ASSERT_EQ(labelled_.size(), 2u);
  EXPECT_EQ(labelled_[1].prediction_id, TestUlid(9'000) + ".0");
  Start();
  EXPECT_EQ(labelled_.size(), 2u);  // reading the logs again tells nothing
}

TEST_P(MonitorStore, RefusesLabelsThatMakeNoSense) {
  Start();
  const auto ids = Traffic(0, 1);
  EXPECT_EQ(monitor_->AddLabels("flights", {}).status().field(), "labels");
  EXPECT_EQ(monitor_->AddLabels("flights", {{ids[0], "", 0, true, 1}, {"x", "", 0, true, 1}})
                .status()
                .field(),
            "labels[1].prediction_id");
  EXPECT_EQ(monitor_->AddLabels("flights", {{ids[0], "r", 0, true, 1}}).status().field(),
            "labels[0]");
  EXPECT_EQ(monitor_->AddLabels("flights", {{"", "r", -1, true, 1}}).status().field(),
            "labels[0].row");
  EXPECT_EQ(
      monitor_->AddLabels("flights", {{ids[0], "", 0, true, 100 * base::kDay}}).status().field(),
      "labels[0].time");
  EXPECT_EQ(
      monitor_->AddLabels("flights", {{ids[0], "", 0, std::numeric_limits<double>::infinity(), 1}})
          .status()
          .field(),
      "labels[0].value");
  const base::Status other = monitor_->AddLabels("others", {{ids[0], "", 0, true, 1}}).status();
  EXPECT_EQ(other.field(), "labels[0].prediction_id");
  EXPECT_NE(other.message().find("belongs to endpoint 'flights'"), std::string::npos);
  EXPECT_FALSE(monitor_->LabelOf(ids[0]).has_value());  // all or nothing
}

TEST_P(MonitorStore, BoundsTheLabelsThatWait) {
  settings_.max_pending_labels = 1;
  Start();
  EXPECT_EQ(monitor_->AddLabels("flights", {{"", "a", 0, true, 1}}).value().unmatched, 1);
  EXPECT_EQ(monitor_->AddLabels("flights", {{"", "b", 0, true, 1}}).status().reason(),
            "too_many_pending_labels");
}

TEST_P(MonitorStore, FindsTheRequestsThatItsIndexForgotAtTheNextTick) {
  settings_.recent_requests = 1000;
  Start();
  PredictionRecord old = TestRecord(100'000, 1, 0.5f);
  old.request_id = "old";
  Append(old);
  for (uint64_t i = 0; i < 2500; ++i) {
    PredictionRecord record = TestRecord(200'000 + i, 2, 0.5f);
    record.request_id = "r" + std::to_string(i);
    Append(record);
  }
  EXPECT_EQ(monitor_->AddLabels("flights", {{"", "old", 0, true, 1}}).value().unmatched, 1);
  Tick(10);
  EXPECT_EQ(monitor_->LabelOf(old.id)->value, LabelValue(true));
}

TEST_P(MonitorStore, GivesTheLabelledRowsOfASpanAsATable) {
  Start();
  Append(TestRecord(50'000, 5, {0.25f, 0.75f}, {1, 2}, {"EWR", "JFK"}));
  const auto ids = Traffic(0, 10);
  LabelAll(ids, 0);
  ASSERT_TRUE(monitor_->AddLabels("flights", {{TestUlid(50'000) + ".1", "", 0, true, 10}}).ok());
  const auto table = monitor_->LabelledRows("flights", {0, kHour}, 1000).value();
  ASSERT_EQ(table.labels.size(), 11u);
  EXPECT_EQ(table.ids[0], TestUlid(50'000) + ".1");
  EXPECT_EQ(table.scores[0], 0.75);
  EXPECT_EQ(table.labels[0], 1);
  EXPECT_EQ(table.versions[0], 1);
  ASSERT_EQ(table.columns.size(), 2u);
  EXPECT_EQ(table.columns[0].name, "x");
  EXPECT_EQ(std::get<std::vector<double>>(table.columns[0].values)[0], 2);
  EXPECT_EQ(std::get<std::vector<std::string>>(table.columns[1].values)[0], "JFK");
  const auto newest = monitor_->LabelledRows("flights", {0, kHour}, 3).value();
  EXPECT_EQ(newest.ids, (std::vector<std::string>{ids[7], ids[8], ids[9]}));
  EXPECT_TRUE(monitor_->LabelledRows("flights", {kHour, 2 * kHour}, 10).value().labels.empty());
  EXPECT_EQ(monitor_->LabelledRows("flights", {0, kHour}, 0).status().field(), "limit");
}

TEST_P(MonitorStore, SaysHowManyRowsAVersionWithoutBaselineStillNeeds) {
  find_baseline_ = [](const std::string&, int64_t) {
    return base::Result<std::optional<std::string>>(std::optional<std::string>());
  };
  settings_.baseline_rows = 300;
  Start();
  Traffic(0, 200);
  const base::Status status = monitor_->Drift("flights", {}).status();
  EXPECT_EQ(status.reason(), "no_baseline");
  EXPECT_NE(status.message().find("200 of 300"), std::string::npos) << status.message();
  Traffic(1, 200);
  EXPECT_EQ(monitor_->Drift("flights", {}).value().baseline_source, "first 300 predictions");
  EXPECT_EQ(monitor_->Drift("flights", {.start = 0}).value().prediction->n, 200);
  EXPECT_EQ(monitor_->Drift("flights", {.start = 5 * kHour}).status().reason(), "no_window");
}

TEST_P(MonitorStore, ReadsABaselineThatWasOutOfReachAtTheNextTick) {
  bool reachable = false;
  find_baseline_ = [&](const std::string&, int64_t) -> base::Result<std::optional<std::string>> {
    if (!reachable) return base::Unavailable("away", "the registry is away");
    return std::optional<std::string>(TestBaselineJson());
  };
  Start();
  Traffic(0, 200);
  EXPECT_EQ(monitor_->Drift("flights", {}).status().reason(), "no_baseline");
  reachable = true;
  Tick(10);
  EXPECT_EQ(monitor_->Drift("flights", {}).value().prediction->n, 200);
}

TEST_P(MonitorStore, RefusesSettingsItDoesNotUnderstand) {
  settings_.rules = {"psi"};
  events_ = std::make_unique<events::EventLog>(*database_, clock_);
  const auto start = [&] {
    Monitor monitor({*database_, *events_, clock_, metrics_, find_baseline_, {}}, settings_,
                    folder_.path());
    return monitor.Start();
  };
  EXPECT_EQ(start().field(), "monitoring.rules");
  settings_.rules = {};
  settings_.endpoints = base::Json::Parse(R"({"flights": {"score": "x"}})").value();
  EXPECT_NE(start().ToString().find("monitoring.endpoints.flights"), std::string::npos);
  settings_.endpoints = {};
  settings_.window_origin = "yesterday";
  EXPECT_FALSE(start().ok());
}

TEST_P(MonitorStore, CountsEverythingThatSeveralThreadsAppend) {
  Start();
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (uint64_t i = 0; i < 5000; ++i) {
        ASSERT_TRUE(
            monitor_
                ->Append(TestRecord(1'000'000 * (t + 1) + i, static_cast<base::Micros>(i), 0.5f))
                .ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(monitor_->Windows("flights", {}, {}, {}).value()[0].predictions, 20'000);
  EXPECT_EQ(monitor_->Drift("flights", {}).value().prediction->n, 20'000);
  EXPECT_NE(metrics_.PrintOpenMetrics().find(
                "slipway_monitoring_predictions_total{endpoint=\"flights\"} 20000"),
            std::string::npos);
}

// Each stream that moved is announced once, also after a restart.
TEST_P(MonitorStore, AnnouncesWhatADetectorHeardOnce) {
  Start();
  Traffic(0, 300);
  Tick(10);
  EXPECT_TRUE(Events("drift.detected").empty());
  Traffic(1, 300, 1, 0.5f);
  Tick(20);
  const auto events = Events("drift.detected");
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].subject, "endpoint/flights/version/1");
  std::set<std::string> streams;
  for (const events::Event& event : events) {
    streams.insert(event.data.Find("stream")->AsString());
    EXPECT_EQ(event.data.Find("episode")->Find("what")->AsString(), "rises");
  }
  EXPECT_EQ(streams, (std::set<std::string>{"x", "prediction"}));
  Start();
  Tick(30);
  EXPECT_EQ(Events("drift.detected").size(), 2u);
  const auto detectors = monitor_->Drift("flights", {}).value().detectors;
  ASSERT_EQ(detectors.size(), 3u);
  EXPECT_EQ(detectors.back().stream, "prediction");
  EXPECT_EQ(detectors.back().values, 600);
  EXPECT_TRUE(detectors.back().in_episode);
}

TEST_P(MonitorStore, AnswersASpanFromTheCountersOfItsWindows) {
  settings_.endpoints = base::Json::Parse(R"({"flights": {"segments": ["place"]}})").value();
  Start();
  Traffic(0, 200);
  Traffic(1, 300);
  Traffic(2, 100);
  const auto rows = [&](const DriftQuery& query) {
    return monitor_->Drift("flights", query).value().prediction->n;
  };
  EXPECT_EQ(rows({}), 100);
  EXPECT_EQ(rows({.from = 0, .until = 2 * kHour}), 500);
  EXPECT_EQ(rows({.from = 0}), 600);
  EXPECT_EQ(rows({.from = 0, .slice = {.arm = "stable"}}), 600);
  EXPECT_EQ(rows({.from = 0, .slice = {.arm = "canary"}}), 0);
  EXPECT_EQ(rows({.from = 0, .slice = {.segment_feature = "place", .segment_value = "SFO"}}), 0);
  const DriftQuery unknown{.slice = {.segment_feature = "x", .segment_value = "1"}};
  EXPECT_EQ(monitor_->Drift("flights", unknown).status().field(), "segment");
  // Two parts of the time, as two replicas' would, add up to the whole.
  const auto part = [&](const DriftQuery& query) {
    return drift::DecodeProfile(monitor_->ExportProfile("flights", query).value()).value();
  };
  auto first = part({.from = 0, .until = kHour});
  const auto rest = part({.from = kHour});
  const auto whole = part({.from = 0});
  ASSERT_EQ(whole.columns.size(), 3u);
  for (size_t i = 0; i < whole.columns.size(); ++i) {
    first.columns[i].counts.Merge(rest.columns[i].counts);
    EXPECT_EQ(first.columns[i].counts.bins, whole.columns[i].counts.bins);
    EXPECT_EQ(first.columns[i].counts.fine, whole.columns[i].counts.fine);
  }
}

TEST_P(MonitorStore, KnowsTheScoreOfALoggedPrediction) {
  Start();
  Append(TestRecord(1, 5, {0.25f, 0.75f}, {1, 2}, {"EWR", "JFK"}));
  EXPECT_EQ(monitor_->ScoreOf(monitor_->GetPrediction(TestUlid(1) + ".1").value()), 0.75);
  EXPECT_EQ(monitor_->WindowAt(kHour + 5), (Span{kHour, 2 * kHour}));
}

}  // namespace
}  // namespace slipway::monitoring
