// SPDX-License-Identifier: Apache-2.0
// What a model takes and gives, and what it has done: for metadata, readiness and statistics.
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "serving/predict.h"
#include "serving/predict_state.h"

namespace slipway::serving {

using base::Status;
using inference::LoadedModel;

namespace {

Predictor::ModelInfo PlanInfo(const traffic::ServedEndpoint& served) {
  Predictor::ModelInfo info;
  info.endpoint = served.plan.endpoint;
  const traffic::ServedArm& stable = traffic::MainArm(served);
  info.versions.push_back(stable.arm.version);
  info.description = stable.model->description();
  info.config = stable.model->config();
  for (const traffic::ServedArm& arm : served.arms) {
    if (&arm != &stable) info.versions.push_back(arm.arm.version);
  }
  return info;
}

Predictor::ModelInfo VersionInfo(const std::string& endpoint, int64_t version,
                                 const LoadedModel& model) {
  return {endpoint, {version}, model.description(), model.config()};
}

// The model whose versions an endpoint's callers may ask for by number.
std::string ModelOf(const Routes& routes, const std::string& endpoint) {
  const auto served = routes.Find(endpoint);
  return served ? traffic::MainArm(*served).arm.model : endpoint;
}

}  // namespace

base::Result<Predictor::ModelInfo> Predictor::Describe(const std::string& endpoint,
                                                       std::optional<int64_t> version) {
  Routes& routes = *state_->routes;
  if (!version) {
    const auto served = routes.Find(endpoint);
    if (!served) return EndpointNotFound(endpoint);
    std::promise<Status> described;
    traffic::MainArm(*served).model->Prepare(
        [&described](Status status) { described.set_value(std::move(status)); });
    TRY(described.get_future().get());
    return PlanInfo(*served);
  }
  const auto model = TRY(routes.LoadVersion(ModelOf(routes, endpoint), *version));
  return VersionInfo(endpoint, *version, *model);
}

void Predictor::Describe(const std::string& endpoint, std::optional<int64_t> version,
                         DescribeDone done) {
  if (!version) {
    const auto served = state_->routes->Find(endpoint);
    if (!served) return done(EndpointNotFound(endpoint));
    const auto& model = traffic::MainArm(*served).model;
    return model->Prepare([served, done = std::move(done)](Status status) {
      if (!status.ok()) return done(std::move(status));
      done(PlanInfo(*served));
    });
  }
  if (const auto model =
          state_->routes->FindVersion(ModelOf(*state_->routes, endpoint), *version)) {
    return done(VersionInfo(endpoint, *version, *model));
  }
  // Shared, because a task that is refused must still answer.
  auto shared = std::make_shared<DescribeDone>(std::move(done));
  Status status = state_->loads.Submit(
      [this, endpoint, version, shared] { (*shared)(Describe(endpoint, version)); });
  if (!status.ok()) (*shared)(std::move(status));
}

base::Result<std::vector<Predictor::VersionStatistics>> Predictor::Statistics(
    const std::string& endpoint, std::optional<int64_t> version) const {
  const Routes& routes = *state_->routes;
  std::vector<VersionStatistics> all;
  if (version) {
    const auto model = routes.FindVersion(ModelOf(routes, endpoint), *version);
    if (!model) {
      return base::NotFound("version_not_found", "version " + std::to_string(*version) + " of '" +
                                                     endpoint + "' is not loaded");
    }
    all.push_back({*version, model->Statistics()});
    return all;
  }
  const auto served = routes.Find(endpoint);
  if (!served) return EndpointNotFound(endpoint);
  for (const traffic::ServedArm& arm : served->arms)
    all.push_back({arm.arm.version, arm.model->Statistics()});
  return all;
}

std::vector<std::string> Predictor::Endpoints() const { return state_->routes->Names(); }

}  // namespace slipway::serving
