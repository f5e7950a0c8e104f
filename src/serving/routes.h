// SPDX-License-Identifier: Apache-2.0
// Routes: what serving needs of the endpoints: the plan's snapshot and versions by number. A seam,
// so that the path of a prediction is tested without a database.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "inference/model_pool.h"
#include "repository/model_repository.h"
#include "traffic/endpoints.h"

namespace slipway::serving {

// Thread-safe.
class Routes {
 public:
  virtual ~Routes() = default;
  // Never blocks; nullptr when there is no such endpoint.
  virtual std::shared_ptr<const traffic::ServedEndpoint> Find(std::string_view endpoint) const = 0;
  // Never blocks; nullptr when that version is not loaded.
  virtual std::shared_ptr<inference::LoadedModel> FindVersion(const std::string& model,
                                                              int64_t version) const = 0;
  // Blocks while the version is loaded.
  virtual base::Result<std::shared_ptr<inference::LoadedModel>> LoadVersion(
      const std::string& model, int64_t version) = 0;
  virtual std::vector<std::string> Names() const = 0;  // sorted
};

// Over traffic's endpoints, which must outlive it.
std::unique_ptr<Routes> MakeEndpointRoutes(traffic::Endpoints& endpoints);
// The same, and then the unmanaged models: an endpoint of the registry stands before an unmanaged
// model of its name. Both must outlive it.
std::unique_ptr<Routes> MakeRoutes(traffic::Endpoints& endpoints,
                                   repository::ModelRepository& repository);

}  // namespace slipway::serving
