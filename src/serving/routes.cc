// SPDX-License-Identifier: Apache-2.0
// A prediction, step 1 of serving: where its endpoint's plan comes from.
#include "serving/routes.h"

#include <algorithm>
#include <utility>

namespace slipway::serving {
namespace {

class EndpointRoutes final : public Routes {
 public:
  explicit EndpointRoutes(traffic::Endpoints& endpoints) : endpoints_(endpoints) {}

  std::shared_ptr<const traffic::ServedEndpoint> Find(std::string_view endpoint) const override {
    return endpoints_.Find(endpoint);
  }
  std::shared_ptr<inference::LoadedModel> FindVersion(const std::string& model,
                                                      int64_t version) const override {
    return endpoints_.FindVersion(model, version);
  }
  base::Result<std::shared_ptr<inference::LoadedModel>> LoadVersion(const std::string& model,
                                                                    int64_t version) override {
    return endpoints_.LoadVersion(model, version);
  }
  std::vector<std::string> Names() const override {
    std::vector<std::string> names;
    for (traffic::Plan& plan : endpoints_.List()) names.push_back(std::move(plan.endpoint));
    return names;
  }

 private:
  traffic::Endpoints& endpoints_;
};

class AllRoutes final : public Routes {
 public:
  AllRoutes(traffic::Endpoints& endpoints, repository::ModelRepository& repository)
      : managed_(endpoints), repository_(repository) {}

  std::shared_ptr<const traffic::ServedEndpoint> Find(std::string_view endpoint) const override {
    auto found = managed_.Find(endpoint);
    return found ? found : repository_.Find(endpoint);
  }
  std::shared_ptr<inference::LoadedModel> FindVersion(const std::string& model,
                                                      int64_t version) const override {
    return IsUnmanaged(model) ? repository_.FindVersion(model, version)
                              : managed_.FindVersion(model, version);
  }
  // The versions of an unmanaged model are those that are loaded.
  base::Result<std::shared_ptr<inference::LoadedModel>> LoadVersion(const std::string& model,
                                                                    int64_t version) override {
    if (!IsUnmanaged(model)) return managed_.LoadVersion(model, version);
    if (auto loaded = repository_.FindVersion(model, version)) return loaded;
    return base::NotFound("version_not_found", "version " + std::to_string(version) +
                                                   " of the unmanaged model '" + model +
                                                   "' is not loaded");
  }
  std::vector<std::string> Names() const override {
    std::vector<std::string> names = managed_.Names();
    for (std::string& name : repository_.Names()) {
      if (managed_.Find(name) == nullptr) names.push_back(std::move(name));
    }
    std::ranges::sort(names);
    return names;
  }

 private:
  bool IsUnmanaged(const std::string& model) const {
    return repository_.Find(model) != nullptr && managed_.Find(model) == nullptr;
  }

  EndpointRoutes managed_;
  repository::ModelRepository& repository_;
};

}  // namespace

std::unique_ptr<Routes> MakeRoutes(traffic::Endpoints& endpoints,
                                   repository::ModelRepository& repository) {
  return std::make_unique<AllRoutes>(endpoints, repository);
}

std::unique_ptr<Routes> MakeEndpointRoutes(traffic::Endpoints& endpoints) {
  return std::make_unique<EndpointRoutes>(endpoints);
}

}  // namespace slipway::serving
