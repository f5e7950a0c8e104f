// SPDX-License-Identifier: Apache-2.0
// SageMaker's model registry as boto3 speaks it: AWS JSON 1.1 at POST /, signed with SigV4.
// docs/protocols/sagemaker.md.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/config.h"
#include "net/http.h"
#include "registry/registry.h"
#include "storage/blobs.h"
#include "storage/database.h"

namespace slipway::api::sagemaker {

struct SageMakerSettings {
  std::string keys_file;
  std::string region = "us-east-1";
  std::string account = "000000000000";
};
void Describe(base::Schema& schema, SageMakerSettings& settings);

// What is given outlives the router.
void Register(net::Router& router, storage::Database& database, storage::Blobs& blobs,
              registry::Registry& registry, const base::Clock& clock,
              const SageMakerSettings& settings);

}  // namespace slipway::api::sagemaker
