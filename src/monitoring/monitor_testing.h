// SPDX-License-Identifier: Apache-2.0
// A Monitor over a real database and real logs, for tests of this room.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "monitoring/monitor.h"
#include "monitoring/records_testing.h"
#include "storage/databases_testing.h"
#include "storage/folder_testing.h"

namespace slipway::monitoring {

// Answers as it is told and remembers what came. Thread-safe.
class FakeSink final : public AlertSink {
 public:
  struct Record {
    std::mutex mutex;
    std::vector<AlertMessage> delivered;
    int64_t attempts = 0;
    std::function<Delivery(const AlertMessage&)> answer;  // none: delivered
    std::vector<std::string> Types();
  };
  explicit FakeSink(std::shared_ptr<Record> record) : record_(std::move(record)) {}
  std::string_view name() const override { return "fake"; }
  Delivery Deliver(const AlertMessage& message, base::Micros now) override;

 private:
  std::shared_ptr<Record> record_;
};

// Windows of an hour from 1970; the baseline of version n is what `baselines` says.
// A call that fails ends the program with a message.
class MonitorHarness {
 public:
  explicit MonitorHarness(const std::string& kind);  // of the database
  void Start();                                      // again: a restart
  void Append(const PredictionRecord& record);
  // `rows` single-row predictions of a version spread over the hour: x and score uniform in [0, 1)
  // + shift, a label later that follows the score when `honest`, else nothing. Returns the ids.
  std::vector<std::string> Traffic(int hour, int rows, int64_t version = 1, float shift = 0);
  // Labels for them: 1 with the probability of the score, or (honest = false) by a coin.
  void LabelAll(const std::vector<std::string>& ids, int hour, bool honest = true);
  std::vector<Alert> Alerts(const std::string& state);
  std::vector<events::Event> Events(const std::string& type);
  void Tick(base::Micros now);

  storage::TestDatabase database_;
  storage::TestFolder folder_;
  base::DrivenClock clock_{0};
  base::Metrics metrics_;
  std::unique_ptr<events::EventLog> events_;
  MonitorSettings settings_;
  Monitor::FindBaseline find_baseline_;
  std::shared_ptr<FakeSink::Record> sink_ = std::make_shared<FakeSink::Record>();
  std::vector<LabelledPrediction> labelled_;  // what was told as it came
  std::unique_ptr<Monitor> monitor_;
  uint64_t next_id_ = 1;
  std::vector<float> scores_;  // by id - 1
};

// A training sample of 1000 rows: x and score uniform in [0, 1), places EWR and JFK.
std::string TestBaselineJson();

}  // namespace slipway::monitoring
