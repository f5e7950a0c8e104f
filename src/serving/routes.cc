// SPDX-License-Identifier: Apache-2.0
// A prediction, step 1 of serving: where its endpoint's plan comes from.
#include "serving/routes.h"

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

}  // namespace

std::unique_ptr<Routes> MakeEndpointRoutes(traffic::Endpoints& endpoints) {
  return std::make_unique<EndpointRoutes>(endpoints);
}

}  // namespace slipway::serving
