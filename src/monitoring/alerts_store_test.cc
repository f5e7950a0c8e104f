// SPDX-License-Identifier: Apache-2.0
// From a bad window to a delivered message, on real databases.
#include <gtest/gtest.h>

#include <thread>

#include "monitoring/monitor_testing.h"
#include "monitoring/outbox.h"

namespace slipway::monitoring {
namespace {

using base::kHour;

class AlertsStore : public testing::TestWithParam<std::string>, public MonitorHarness {
 protected:
  AlertsStore() : MonitorHarness(GetParam()) {}
  // A good hour or one whose scores have moved, judged.
  void Hour(int hour, bool bad, int64_t version = 1) {
    Traffic(hour, 400, version, bad ? 0.5f : 0.0f);
    Tick((hour + 1) * kHour);
  }
  std::vector<std::string> Types(const std::string& prefix) {
    std::vector<std::string> types;
    for (const events::Event& event : Events(prefix)) types.push_back(event.type);
    return types;
  }
  // Until the delivery thread has emptied the outbox; ends with the test's time limit.
  void WaitForDeliveries(size_t count) {
    while (sink_->Types().size() < count) std::this_thread::yield();
  }
};
INSTANTIATE_TEST_SUITE_P(Databases, AlertsStore, testing::ValuesIn(storage::DatabaseKinds()));

TEST_P(AlertsStore, AnEpisodeFiresOnceAndEndsOnce) {
  settings_.rules = {"prediction_psi"};
  Start();
  Hour(0, false);
  EXPECT_TRUE(Alerts("").empty());
  Hour(1, true);
  Hour(2, true);
  ASSERT_EQ(Alerts("firing").size(), 1u);
  const Alert alert = Alerts("firing")[0];
  EXPECT_EQ(alert.rule, "prediction_psi");
  EXPECT_EQ(alert.endpoint, "flights");
  EXPECT_EQ(alert.version, 1);
  EXPECT_EQ(alert.since, 2 * kHour);
  EXPECT_EQ(alert.window_start, 2 * kHour);  // the newest window
  EXPECT_GT(alert.value, 0.2);
  EXPECT_EQ(alert.episode_key, "prediction_psi/flights/1");
  Hour(3, false);
  EXPECT_TRUE(Alerts("firing").empty());
  ASSERT_EQ(Alerts("resolved").size(), 1u);
  EXPECT_EQ(Alerts("resolved")[0].resolved, 4 * kHour);
  EXPECT_EQ(Types("alert."), (std::vector<std::string>{"alert.firing", "alert.resolved"}));
  Hour(4, true);
  EXPECT_EQ(Alerts("").size(), 2u);  // another episode
}

TEST_P(AlertsStore, JudgesAWindowOnceAndTellsWhatItFound) {
  Start();
  Hour(0, true);
  Tick(kHour + 1);
  Tick(kHour + 2);
  const auto judged = Events("window.judged");
  ASSERT_EQ(judged.size(), 1u);
  EXPECT_EQ(judged[0].subject, "endpoint/flights/version/1");
  EXPECT_EQ(judged[0].data.Find("part")->AsString(), "drift");
  EXPECT_EQ(judged[0].data.Find("breached")->Dump(), R"(["prediction_psi","feature_psi"])");
  EXPECT_EQ(judged[0].data.Find("predictions")->AsInt(), 400);
  EXPECT_EQ(judged[0].data.Find("start")->AsString(), "1970-01-01T00:00:00.000000Z");
}

TEST_P(AlertsStore, WaitsForLabelsBeforeItJudges) {
  settings_.label_wait = {kHour};
  Start();
  Traffic(0, 400);
  Tick(2 * kHour - 1);
  EXPECT_TRUE(Events("window.judged").empty());
  Tick(2 * kHour);
  EXPECT_EQ(Events("window.judged").size(), 1u);
}

TEST_P(AlertsStore, JudgesQualityAgainstTheVersionsReferenceOnceEnoughLabelsAreThere) {
  settings_.rules = {"auc_drop"};
  Start();
  ASSERT_TRUE(monitor_->SetReference("flights", 1, "auc", 0.7).ok());
  ASSERT_TRUE(monitor_->SetReference("flights", 1, "auc", 0.83).ok());
  EXPECT_EQ(monitor_->GetReference("flights", 1, "auc").value(), 0.83);
  EXPECT_FALSE(monitor_->GetReference("flights", 2, "auc").value().has_value());
  const auto good = Traffic(0, 400);
  LabelAll(good, 0);
  Tick(kHour);
  const auto bad = Traffic(1, 400);
  LabelAll({bad.begin(), bad.begin() + 150}, 1, false);
  Tick(2 * kHour);
  EXPECT_TRUE(Alerts("").empty());  // 150 labels are too few
  LabelAll(bad, 1, false);
  Tick(2 * kHour + 1);
  ASSERT_EQ(Alerts("firing").size(), 1u);
  EXPECT_NEAR(Alerts("firing")[0].data.Find("auc")->AsDouble(), 0.5, 0.1);
  std::vector<std::string> parts;
  for (const auto& event : Events("window.judged"))
    parts.push_back(event.data.Find("part")->AsString());
  EXPECT_EQ(parts, (std::vector<std::string>{"drift", "quality", "drift", "quality"}));
}

TEST_P(AlertsStore, EndsTheEpisodesOfAVersionThatNoLongerAnswers) {
  settings_.rules = {"prediction_psi"};
  Start();
  Hour(0, true, 1);
  ASSERT_EQ(Alerts("firing").size(), 1u);
  Hour(1, false, 2);
  EXPECT_TRUE(Alerts("firing").empty());
  EXPECT_EQ(Alerts("resolved")[0].data.Find("resolved_because")->AsString(),
            "the version no longer answers");
}

TEST_P(AlertsStore, KeepsItsEpisodesAndJudgementsThroughARestart) {
  settings_.rules = {"prediction_psi"};
  Start();
  Hour(0, true);
  const std::string id = Alerts("firing").at(0).id;
  Start();
  Tick(kHour + 1);
  EXPECT_EQ(Events("window.judged").size(), 1u);
  EXPECT_NE(metrics_.PrintOpenMetrics().find(
                "slipway_monitoring_alerts_firing{rule=\"prediction_psi\"} 1"),
            std::string::npos);
  Hour(1, true);
  ASSERT_EQ(Alerts("firing").size(), 1u);
  EXPECT_EQ(Alerts("firing")[0].id, id);
  Hour(2, false);
  EXPECT_EQ(Alerts("resolved").at(0).id, id);
  EXPECT_EQ(Types("alert."), (std::vector<std::string>{"alert.firing", "alert.resolved"}));
}

TEST_P(AlertsStore, ShowsTheNewestJudgedWindowAsMetrics) {
  Start();
  LabelAll(Traffic(0, 400), 0);
  Tick(kHour);
  const std::string printed = metrics_.PrintOpenMetrics();
  EXPECT_NE(printed.find("slipway_monitoring_feature_psi{endpoint=\"flights\",feature=\"x\"}"),
            std::string::npos);
  EXPECT_NE(printed.find("slipway_monitoring_auc{endpoint=\"flights\"} 0.8"), std::string::npos)
      << printed;
}

TEST_P(AlertsStore, DeliversFiringAndResolvedInTheirOrder) {
  settings_.rules = {"prediction_psi"};
  Start();
  Hour(0, true);
  Hour(1, false);
  WaitForDeliveries(2);
  EXPECT_EQ(sink_->Types(), (std::vector<std::string>{"alert.firing", "alert.resolved"}));
  const std::lock_guard lock(sink_->mutex);
  EXPECT_EQ(sink_->delivered[0].incident, sink_->delivered[1].incident);
  EXPECT_NE(sink_->delivered[0].id, sink_->delivered[1].id);
  const auto body = base::Json::Parse(sink_->delivered[0].body).value();
  EXPECT_EQ(body.Find("type")->AsString(), "alert.firing");
  EXPECT_EQ(body.Find("data")->Find("rule")->AsString(), "prediction_psi");
}

// The outbox by itself, step by step.
class OutboxStore : public AlertsStore {
 protected:
  OutboxStore() {
    events_ = std::make_unique<events::EventLog>(*database_, clock_);
    Reopen();
  }
  void Reopen() {
    std::vector<std::unique_ptr<AlertSink>> sinks;
    sinks.push_back(std::make_unique<FakeSink>(sink_));
    outbox_ = std::make_unique<AlertOutbox>(*database_, std::move(sinks), metrics_);
  }
  // An episode of a rule begins or goes on (calm: ends).
  void Find(const std::string& rule, base::Micros window, bool calm) {
    Finding finding;
    finding.rule = rule;
    finding.endpoint = "flights";
    finding.window_start = window;
    finding.breached = !calm;
    finding.calm = calm;
    finding.data = base::Json::MakeObject();
    monitoring::Alerts alerts(*database_, *events_, {"fake"});
    const base::Status status = database_->Write([&](storage::Transaction& transaction) {
      return alerts.Apply(transaction, finding, window);
    });
    ASSERT_EQ(status.ToString(), "OK");
  }
  std::unique_ptr<AlertOutbox> outbox_;
};
INSTANTIATE_TEST_SUITE_P(Databases, OutboxStore, testing::ValuesIn(storage::DatabaseKinds()));

TEST_P(OutboxStore, TriesAgainWithGrowingPausesAndAcrossRestarts) {
  sink_->answer = [](const AlertMessage&) {
    return Delivery{Delivery::Outcome::kRetry, "busy", {}};
  };
  Find("a", 0, false);
  std::vector<base::Micros> attempts;
  for (base::Micros now = 0; now < 20 * base::kSecond; now += base::kSecond) {
    const int64_t before = sink_->attempts;
    EXPECT_EQ(outbox_->DeliverDue(now).value(), 0);
    if (sink_->attempts > before) attempts.push_back(now / base::kSecond);
    if (now == 5 * base::kSecond) Reopen();
  }
  EXPECT_EQ(attempts, (std::vector<base::Micros>{0, 1, 3, 7, 15}));
  sink_->answer = nullptr;
  EXPECT_EQ(outbox_->DeliverDue(base::kMinute).value(), 1);
  EXPECT_EQ(outbox_->DeliverDue(base::kHour).value(), 0);
}

TEST_P(OutboxStore, WaitsAsLongAsTheReceiverAsks) {
  sink_->answer = [](const AlertMessage&) {
    return Delivery{Delivery::Outcome::kRetry, "429", 30 * base::kSecond};
  };
  Find("a", 0, false);
  EXPECT_EQ(outbox_->DeliverDue(0).value(), 0);
  sink_->answer = nullptr;
  EXPECT_EQ(outbox_->DeliverDue(29 * base::kSecond).value(), 0);
  EXPECT_EQ(outbox_->DeliverDue(30 * base::kSecond).value(), 1);
}

TEST_P(OutboxStore, HoldsBackOnlyTheIncidentThatIsStuck) {
  Find("a", 0, false);
  Find("a", 1, true);
  Find("b", 2, false);
  std::string stuck;
  sink_->answer = [&](const AlertMessage& message) {
    if (stuck.empty()) stuck = message.incident;
    return message.incident == stuck ? Delivery{Delivery::Outcome::kRetry, "busy", {}} : Delivery();
  };
  EXPECT_EQ(outbox_->DeliverDue(10).value(), 1);
  EXPECT_EQ(sink_->delivered[0].body.find("\"rule\":\"a\""), std::string::npos);
  EXPECT_EQ(sink_->attempts, 2);  // a's second message was not tried
  sink_->answer = nullptr;
  EXPECT_EQ(outbox_->DeliverDue(base::kMinute).value(), 2);
  EXPECT_EQ(sink_->Types(),
            (std::vector<std::string>{"alert.firing", "alert.firing", "alert.resolved"}));
}

TEST_P(OutboxStore, GivesUpOnARejectionAndAfterThreeDays) {
  sink_->answer = [](const AlertMessage&) {
    return Delivery{Delivery::Outcome::kRejected, "404", {}};
  };
  Find("a", 0, false);
  EXPECT_EQ(outbox_->DeliverDue(0).value(), 1);  // done with
  sink_->answer = [](const AlertMessage&) {
    return Delivery{Delivery::Outcome::kRetry, "busy", {}};
  };
  Find("b", 0, false);
  EXPECT_EQ(outbox_->DeliverDue(0).value(), 0);
  EXPECT_EQ(outbox_->DeliverDue(3 * base::kDay).value(), 1);
  EXPECT_EQ(outbox_->DeliverDue(30 * base::kDay).value(), 0);
  EXPECT_EQ(sink_->attempts, 3);
  const auto rows =
      database_->Query("SELECT COUNT(*) FROM alert_outbox WHERE state = 'rejected'").value();
  EXPECT_EQ(rows[0].Int(0), 2);
}

TEST_P(OutboxStore, IgnoresALateVerdictOnAnOlderWindow) {
  Find("a", 5, false);
  Find("a", 3, true);
  EXPECT_EQ(outbox_->DeliverDue(10).value(), 1);  // still firing
  Find("a", 6, true);
  Find("a", 4, false);  // opens nothing
  EXPECT_EQ(outbox_->DeliverDue(20).value(), 1);
  EXPECT_EQ(sink_->Types(), (std::vector<std::string>{"alert.firing", "alert.resolved"}));
}

}  // namespace
}  // namespace slipway::monitoring
