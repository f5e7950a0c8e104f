// SPDX-License-Identifier: Apache-2.0
// Whether a version's bytes are still those that were registered.
#pragma once

#include <string>

#include "registry/registry.h"
#include "storage/blobs.h"

namespace slipway::registry {

// Reads the file whole. "cannot be read: ...", "has SHA-256 ... instead of ..."; empty when it is
// right.
std::string DifferenceOf(storage::Blobs& blobs, const Version& version, const ManifestFile& file);

}  // namespace slipway::registry
