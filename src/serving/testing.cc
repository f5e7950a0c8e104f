// SPDX-License-Identifier: Apache-2.0
// Help for tests.
#include "serving/testing.h"

#include <algorithm>
#include <future>

#include "inference/request_check.h"

namespace slipway::serving {

using inference::LoadedModel;
using inference::Request;
using inference::Response;

FakeModel::FakeModel(inference::ModelDescription description, Body body,
                     inference::ModelConfig config)
    : description_(std::move(description)), config_(std::move(config)), body_(std::move(body)) {}

void FakeModel::RunStream(Request request, inference::RunOptions options, inference::RunPart part) {
  Run(std::move(request), std::move(options),
      [this, part = std::move(part)](const base::Result<Response>& result,
                                     inference::RunTiming timing) {
        if (!result.ok()) return part(result.status(), timing, true);
        for (int i = 1; i <= answers; ++i) part(*result, timing, i == answers);
      });
}

void FakeModel::Run(Request request, inference::RunOptions options, inference::RunDone done) {
  ++runs;
  last_deadline_ns = options.deadline_ns;
  auto run = [this, request = std::move(request), done = std::move(done)] {
    base::Status status = inference::CheckRequest(description_, request);
    base::Result<Response> result = status.ok() ? body_(request) : std::move(status);
    done(std::move(result), {.queue_ns = 10, .run_ns = 20});
  };
  if (!hold_) return run();
  std::lock_guard lock(mutex_);
  held_.push_back(std::move(run));
}

void FakeModel::Release() {
  std::vector<std::function<void()>> held;
  {
    std::lock_guard lock(mutex_);
    hold_ = false;
    held.swap(held_);
  }
  for (const auto& run : held) run();
}

void FakeRoutes::Set(const std::string& endpoint, int64_t epoch, const std::vector<FakeArm>& arms) {
  auto served = std::make_shared<traffic::ServedEndpoint>();
  served->plan.endpoint = endpoint;
  served->plan.epoch = epoch;
  served->plan.salt = "salt";
  for (const FakeArm& arm : arms) {
    served->plan.arms.push_back({arm.name, endpoint, arm.version, arm.weight});
    served->arms.push_back({served->plan.arms.back(), arm.model});
  }
  endpoints_[endpoint] = std::move(served);
}

void FakeRoutes::SetUnloaded(const std::string& model, int64_t version,
                             std::shared_ptr<LoadedModel> loaded) {
  unloaded_[{model, version}] = std::move(loaded);
}

std::shared_ptr<const traffic::ServedEndpoint> FakeRoutes::Find(std::string_view endpoint) const {
  const auto found = endpoints_.find(endpoint);
  return found == endpoints_.end() ? nullptr : found->second;
}

std::shared_ptr<LoadedModel> FakeRoutes::FindVersion(const std::string& model,
                                                     int64_t version) const {
  const auto served = Find(model);
  if (!served) return nullptr;
  for (const traffic::ServedArm& arm : served->arms) {
    if (arm.arm.version == version) return arm.model;
  }
  return nullptr;
}

base::Result<std::shared_ptr<LoadedModel>> FakeRoutes::LoadVersion(const std::string& model,
                                                                   int64_t version) {
  if (auto loaded = FindVersion(model, version)) return loaded;
  const auto found = unloaded_.find({model, version});
  if (found == unloaded_.end()) {
    return base::NotFound("version_not_found",
                          "there is no version " + std::to_string(version) + " of '" + model + "'");
  }
  return found->second;
}

std::vector<std::string> FakeRoutes::Names() const {
  std::vector<std::string> names;
  for (const auto& [name, served] : endpoints_) names.push_back(name);
  return names;
}

base::Status MemoryRecorder::Record(const monitoring::PredictionRecord& record) {
  if (broken) return base::ResourceExhausted("disk_full", "no space left");
  std::lock_guard lock(mutex_);
  records_.push_back(record);
  return base::Status::Ok();
}

std::vector<monitoring::PredictionRecord> MemoryRecorder::Records() const {
  std::lock_guard lock(mutex_);
  return records_;
}

void MemoryObserver::Observe(const std::string& endpoint, int64_t epoch, const std::string& arm,
                             const std::string& key, bool failed, int64_t total_ns) {
  std::lock_guard lock(mutex_);
  seen_.push_back({endpoint, epoch, arm, key, failed, total_ns});
}

std::vector<MemoryObserver::Seen> MemoryObserver::All() const {
  std::lock_guard lock(mutex_);
  return seen_;
}

FakeServing::FakeServing(ServingSettings settings)
    : FakeServing(std::make_unique<FakeRoutes>(), std::move(settings)) {}

FakeServing::FakeServing(std::unique_ptr<FakeRoutes> fake_routes, ServingSettings settings)
    : clock(1'700'000'000 * base::kSecond),
      routes(*fake_routes),
      predictor(std::move(fake_routes), recorder, observer, clock, metrics, std::move(settings)) {}

PredictAnswer FakeServing::Ask(PredictCall call) {
  std::promise<PredictAnswer> promise;
  auto future = promise.get_future();
  predictor.Predict(std::move(call),
                    [&promise](PredictAnswer answer) { promise.set_value(std::move(answer)); });
  return future.get();
}

std::shared_ptr<FakeModel> TimesModel(float factor) {
  inference::ModelDescription description;
  description.inputs = {{"x", inference::DataType::kFp32, {-1, 1}}};
  description.outputs = {{"y", inference::DataType::kFp32, {-1, 1}}};
  description.batchable = true;
  description.platform = "fake";
  return std::make_shared<FakeModel>(
      std::move(description), [factor](const Request& request) -> base::Result<Response> {
        const inference::Tensor& x = request.inputs[0].tensor;
        std::vector<float> y;
        for (const float value : x.As<float>()) y.push_back(factor * value);
        return Response{{{"y", inference::Tensor::Of<float>(x.shape(), y)}}};
      });
}

std::shared_ptr<FakeModel> BrokenModel(base::Status status) {
  inference::ModelDescription description = TimesModel(1)->description();
  return std::make_shared<FakeModel>(
      std::move(description),
      [status](const Request&) -> base::Result<Response> { return status; });
}

std::shared_ptr<FakeModel> EchoModel(std::vector<inference::TensorSpec> inputs,
                                     std::vector<inference::TensorSpec> outputs) {
  inference::ModelDescription description;
  description.inputs = std::move(inputs);
  description.outputs = outputs;
  description.platform = "fake";
  return std::make_shared<FakeModel>(
      std::move(description),
      [outputs = std::move(outputs)](const Request& request) -> base::Result<Response> {
        Response response;
        for (size_t i = 0; i < outputs.size(); ++i) {
          const std::string& name = outputs[i].name;
          const auto& asked = request.outputs;
          if (!asked.empty() && std::find(asked.begin(), asked.end(), name) == asked.end())
            continue;
          response.outputs.push_back({name, request.inputs[i].tensor});
        }
        return response;
      });
}

PredictCall OneNumberCall(const std::vector<float>& rows, const std::string& endpoint) {
  PredictCall call;
  call.endpoint = endpoint;
  call.protocol = "test";
  call.request.inputs = {
      {"x", inference::Tensor::Of<float>({static_cast<int64_t>(rows.size()), 1}, rows)}};
  return call;
}

}  // namespace slipway::serving
