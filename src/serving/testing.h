// SPDX-License-Identifier: Apache-2.0
// For tests of this room and of the protocols: a Predictor over models that do what the test says,
// and what it recorded.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "serving/predict.h"

namespace slipway::serving {

// Runs `body` on the caller's thread; with `hold`, keeps each run until Release(). Thread-safe.
class FakeModel final : public inference::LoadedModel {
 public:
  using Body = std::function<base::Result<inference::Response>(const inference::Request&)>;
  FakeModel(inference::ModelDescription description, Body body, inference::ModelConfig config = {});
  const inference::ModelDescription& description() const override { return description_; }
  const inference::ModelConfig& config() const override { return config_; }
  void Run(inference::Request request, inference::RunOptions options,
           inference::RunDone done) override;
  // `answers` copies of what the body gives.
  void RunStream(inference::Request request, inference::RunOptions options,
                 inference::RunPart part) override;
  inference::ModelStatistics Statistics() const override { return statistics; }
  void Hold() { hold_ = true; }
  void Release();  // runs what was held, and holds no more

  std::atomic<int64_t> runs{0};
  std::atomic<int64_t> last_deadline_ns{0};
  int answers = 1;
  inference::ModelStatistics statistics;

 private:
  const inference::ModelDescription description_;
  const inference::ModelConfig config_;
  const Body body_;
  std::atomic<bool> hold_{false};
  std::mutex mutex_;
  std::vector<std::function<void()>> held_;
};

class FakeRoutes final : public Routes {
 public:
  // `arms`: name, version, weight, model; the model's name is the endpoint's.
  struct FakeArm {
    std::string name;
    int64_t version = 0;
    double weight = 0;
    std::shared_ptr<inference::LoadedModel> model;
  };
  void Set(const std::string& endpoint, int64_t epoch, const std::vector<FakeArm>& arms);
  // A version that LoadVersion finds and FindVersion does not.
  void SetUnloaded(const std::string& model, int64_t version,
                   std::shared_ptr<inference::LoadedModel> loaded);

  std::shared_ptr<const traffic::ServedEndpoint> Find(std::string_view endpoint) const override;
  std::shared_ptr<inference::LoadedModel> FindVersion(const std::string& model,
                                                      int64_t version) const override;
  base::Result<std::shared_ptr<inference::LoadedModel>> LoadVersion(const std::string& model,
                                                                    int64_t version) override;
  std::vector<std::string> Names() const override;

 private:
  std::map<std::string, std::shared_ptr<const traffic::ServedEndpoint>, std::less<>> endpoints_;
  std::map<std::pair<std::string, int64_t>, std::shared_ptr<inference::LoadedModel>> unloaded_;
};

class MemoryRecorder final : public Recorder {
 public:
  base::Status Record(const monitoring::PredictionRecord& record) override;
  std::vector<monitoring::PredictionRecord> Records() const;
  std::atomic<bool> broken{false};

 private:
  mutable std::mutex mutex_;
  std::vector<monitoring::PredictionRecord> records_;
};

class MemoryObserver final : public OutcomeObserver {
 public:
  struct Seen {
    std::string endpoint;
    int64_t epoch = 0;
    std::string arm;
    std::string key;
    bool failed = false;
    int64_t total_ns = 0;
  };
  void Observe(const std::string& endpoint, int64_t epoch, const std::string& arm,
               const std::string& key, bool failed, int64_t total_ns) override;
  std::vector<Seen> All() const;

 private:
  mutable std::mutex mutex_;
  std::vector<Seen> seen_;
};

// All of the above put together. Fill `routes` before the first call.
struct FakeServing {
  explicit FakeServing(ServingSettings settings = {});

  base::DrivenClock clock;
  base::Metrics metrics;
  MemoryRecorder recorder;
  MemoryObserver observer;
  FakeRoutes& routes;
  Predictor predictor;
  // Predicts and waits for the answer.
  PredictAnswer Ask(PredictCall call);

 private:
  FakeServing(std::unique_ptr<FakeRoutes> fake_routes, ServingSettings settings);
};

// A model that gives `factor` times its input, x FP32 [-1, 1] -> y FP32 [-1, 1].
std::shared_ptr<FakeModel> TimesModel(float factor);
// One that always fails.
std::shared_ptr<FakeModel> BrokenModel(base::Status status);
// A model with these inputs and outputs whose outputs are its inputs, in order.
std::shared_ptr<FakeModel> EchoModel(std::vector<inference::TensorSpec> inputs,
                                     std::vector<inference::TensorSpec> outputs);
// Endpoint "m" (or `endpoint`), rows of x.
PredictCall OneNumberCall(const std::vector<float>& rows, const std::string& endpoint = "m");

}  // namespace slipway::serving
