// SPDX-License-Identifier: Apache-2.0
// A registry over a real database and a folder of blobs, with one run's files and one model, for
// tests.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "events/migrations.h"
#include "registry/migrations.h"
#include "registry/registry.h"
#include "storage/blobs_file.h"
#include "storage/databases_testing.h"

namespace slipway::registry {

inline const events::Actor kAda = {"ada", "http 127.0.0.1:5", ""};

// Says what it is told to, and counts.
class ToldGate final : public Gate {
 public:
  ToldGate(Outcome& outcome, std::atomic<int>& asked) : outcome_(outcome), asked_(asked) {}
  [[nodiscard]] std::string_view name() const override { return "told"; }
  [[nodiscard]] bool Guards(Stage stage) const override {
    return stage == Stage::kStaging || stage == Stage::kProduction;
  }
  Verdict Check(const GateContext&) override {
    ++asked_;
    return {"", outcome_, "It was told so.", base::Json::MakeObject({{"n", 1}}), 0, false};
  }

 private:
  Outcome& outcome_;
  std::atomic<int>& asked_;
};

// Everything a test needs, open and filled; what cannot be made ends the test process.
class RegistryHouse {
 protected:
  explicit RegistryHouse(const std::string& database_kind) : database_(database_kind) {
    Must(database_->Migrate(events::Migrations()));
    Must(database_->Migrate(Migrations()));
    blobs_ = storage::OpenFileBlobs("file:" + (folder_ / "blobs")).TakeValue();
    Must(blobs_->Put("artifacts/1/r/artifacts/model/model.onnx", "weights").status());
    Must(blobs_->Put("artifacts/1/r/artifacts/model/MLmodel", "flavors").status());
    Must(blobs_->Put("artifacts/1/r/artifacts/golden/golden.json", "{}").status());
    registry_ = Open(*blobs_);
    Must(registry_->CreateModel("fraud", {}, "", kAda).status());
  }

  static void Must(const base::Status& status) { CHECK(status.ok(), status.ToString()); }

  std::unique_ptr<Registry> Open(storage::Blobs& blobs) {
    RegistrySettings settings;
    settings.cache_folder = folder_ / "cache";
    auto registry = std::make_unique<Registry>(*database_, blobs, events_, clock_, settings);
    registry->AddGate(std::make_unique<ToldGate>(told_, asked_));
    return registry;
  }

  static CreateVersionRequest Request(const std::string& model = "fraud") {
    CreateVersionRequest request;
    request.model = model;
    request.source = "runs:/r/model";
    request.source_folder = "artifacts/1/r/artifacts/model";
    request.extra_folders = {{"artifacts/1/r/artifacts/golden", "golden"},
                             {"artifacts/1/r/artifacts/none", "none"}};
    request.run_id = "r";
    request.tags = {{"team", "blue"}};
    request.actor = kAda;
    return request;
  }
  int64_t NewVersion() { return registry_->CreateVersion(Request()).value().number; }

  static TransitionRequest To(int64_t version, Stage to) {
    TransitionRequest request;
    request.model = "fraud";
    request.version = version;
    request.to = to;
    request.actor = kAda;
    return request;
  }
  std::vector<std::string> EventTypes() {
    std::vector<std::string> types;
    const auto events = events_.List({}).value();
    types.reserve(events.size());
    for (const events::Event& event : events) types.push_back(event.type);
    return types;
  }
  events::Event LastEvent() {
    events::EventFilter filter;
    filter.newest_first = true;
    filter.limit = 1;
    return events_.List(filter).value().front();
  }
  void Sql(std::string_view sql) {
    const base::Status status =
        database_->Write([&](storage::Transaction& transaction) -> base::Status {
          TRY(transaction.Execute(sql));
          return {};
        });
    Must(status);
  }

  storage::TestFolder folder_;
  storage::TestDatabase database_;
  base::DrivenClock clock_{1'000'000};
  events::EventLog events_{*database_, clock_};
  std::unique_ptr<storage::Blobs> blobs_;
  Outcome told_ = Outcome::kPass;
  std::atomic<int> asked_ = 0;
  std::unique_ptr<Registry> registry_;
};

}  // namespace slipway::registry
