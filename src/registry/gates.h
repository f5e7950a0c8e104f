// SPDX-License-Identifier: Apache-2.0
// The gates that need nothing but the registry's own data. The first two guard staging and
// production.
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

// "unsafe_pickle": fails naming each import that is more than data of the usual libraries, and what
// cannot be told. Guards production.
std::unique_ptr<Gate> MakeUnsafePickleGate(storage::Blobs& blobs);

}  // namespace slipway::registry
