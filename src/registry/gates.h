// SPDX-License-Identifier: Apache-2.0
// The gates that need nothing but the registry's own data. Both guard staging and production.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "registry/registry.h"
#include "storage/blobs.h"

namespace slipway::registry {

// Fails naming every item of `required` that the version's metadata lacks, and how to send it.
std::unique_ptr<Gate> MakeRequiredMetadataGate(std::vector<std::string> required);

// Reads every file again and compares size and SHA-256 with the manifest; `blobs` outlives the
// gate.
std::unique_ptr<Gate> MakeArtifactIntegrityGate(storage::Blobs& blobs);

}  // namespace slipway::registry
