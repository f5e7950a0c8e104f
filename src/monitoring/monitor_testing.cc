// SPDX-License-Identifier: Apache-2.0
#include "monitoring/monitor_testing.h"

#include <algorithm>

#include "events/migrations.h"
#include "monitoring/migrations.h"

namespace slipway::monitoring {
namespace {

// Low-discrepancy, so that no test depends on luck.
float Uniform(uint64_t number) {
  const double turned = static_cast<double>(number) * 0.6180339887498949;
  return static_cast<float>(turned - static_cast<double>(static_cast<uint64_t>(turned)));
}

void MustBeOk(const base::Status& status) { CHECK(status.ok(), status.ToString()); }

}  // namespace

std::vector<std::string> FakeSink::Record::Types() {
  const std::lock_guard lock(mutex);
  std::vector<std::string> types;
  for (const AlertMessage& message : delivered) types.push_back(message.type);
  return types;
}

Delivery FakeSink::Deliver(const AlertMessage& message, base::Micros) {
  const std::lock_guard lock(record_->mutex);
  ++record_->attempts;
  const Delivery delivery = record_->answer ? record_->answer(message) : Delivery();
  if (delivery.outcome == Delivery::Outcome::kDelivered) record_->delivered.push_back(message);
  return delivery;
}

std::string TestBaselineJson() {
  base::Json x = base::Json::MakeArray();
  base::Json place = base::Json::MakeArray();
  base::Json scores = base::Json::MakeArray();
  for (uint64_t i = 0; i < 1000; ++i) {
    x.Append(Uniform(3 * i + 1));
    place.Append(i % 2 == 0 ? "EWR" : "JFK");
    scores.Append(Uniform(i));
  }
  const base::Json columns = base::Json::MakeObject({{"x", x}, {"place", place}});
  return base::Json::MakeObject({{"columns", columns}, {"scores", scores}}).Dump();
}

MonitorHarness::MonitorHarness(const std::string& kind) : database_(kind) {
  MustBeOk(database_->Migrate(events::Migrations()));
  MustBeOk(database_->Migrate(Migrations()));
  settings_.window = {base::kHour};
  settings_.label_wait = {0};
  settings_.label_durability = "process";
  find_baseline_ = [](const std::string&, int64_t) {
    return base::Result<std::optional<std::string>>(TestBaselineJson());
  };
}

void MonitorHarness::Start() {
  monitor_.reset();
  events_ = std::make_unique<events::EventLog>(*database_, clock_);
  Monitor::Parts parts{*database_, *events_, clock_, metrics_, find_baseline_, {}};
  parts.sinks.push_back(std::make_unique<FakeSink>(sink_));
  parts.on_labelled = [this](const LabelledPrediction& row) { labelled_.push_back(row); };
  monitor_ = std::make_unique<Monitor>(std::move(parts), settings_, folder_.path());
  MustBeOk(monitor_->Start());
}

void MonitorHarness::Append(const PredictionRecord& record) { MustBeOk(monitor_->Append(record)); }

std::vector<std::string> MonitorHarness::Traffic(int hour, int rows, int64_t version, float shift) {
  std::vector<std::string> ids;
  for (int i = 0; i < rows; ++i) {
    const base::Micros time = hour * base::kHour + i * (base::kHour / rows);
    const float score = std::min(1.0f, Uniform(next_id_) + shift);
    PredictionRecord record = TestRecord(next_id_, time, score, Uniform(3 * next_id_) + shift,
                                         next_id_ % 2 == 0 ? "EWR" : "JFK");
    record.version = version;
    Append(record);
    ids.push_back(record.id);
    scores_.push_back(score);
    ++next_id_;
  }
  return ids;
}

void MonitorHarness::LabelAll(const std::vector<std::string>& ids, int hour, bool honest) {
  const base::Micros time = (hour + 1) * base::kHour;
  if (clock_.Now() < time) {
    MustBeOk(clock_.Advance(time));
  }
  std::vector<LabelInput> labels;
  for (const std::string& id : ids) {
    const uint64_t number = ParseUlid(id.substr(0, 26)).value().low;
    const float chance = Uniform(7 * number + 5);
    const float truth = honest ? scores_[number - 1] : 0.5f;
    labels.push_back({id, "", 0, chance < truth, time});
  }
  MustBeOk(monitor_->AddLabels("flights", labels).status());
}

std::vector<Alert> MonitorHarness::Alerts(const std::string& state) {
  return monitor_->ListAlerts({.state = state, .endpoint = ""}).value();
}

std::vector<events::Event> MonitorHarness::Events(const std::string& type) {
  return events_->List({.type_prefix = type}).value();
}

void MonitorHarness::Tick(base::Micros now) {
  if (clock_.Now() < now) {
    MustBeOk(clock_.Advance(now));
  }
  MustBeOk(monitor_->Tick(now));
}

}  // namespace slipway::monitoring
