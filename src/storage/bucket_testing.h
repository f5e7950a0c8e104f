// SPDX-License-Identifier: Apache-2.0
// Real bucket servers for tests: versitygw (S3) and fake-gcs-server (GCS), on a free port of
// 127.0.0.1, ended with the program.
#pragma once

#include <string>

namespace slipway::storage {

// A URI for OpenBlobs of a fresh, empty prefix. scheme: "file", "s3" or "gs". Ends the program when
// the server cannot be started.
std::string FreshBlobsUri(const std::string& scheme);

}  // namespace slipway::storage
