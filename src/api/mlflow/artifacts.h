// SPDX-License-Identifier: Apache-2.0
// One artifact in and out, for the routes that move it in parts.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>

#include "api/mlflow/call.h"
#include "base/status.h"
#include "net/http.h"
#include "storage/blobs.h"

namespace slipway::api::mlflow {

using ReadPiece = std::function<base::Result<size_t>(std::span<char>)>;  // 0 at the end

// Whether clients may write there: kInvalidArgument, kPermissionDenied (version_immutable).
base::Status CheckWritable(Rooms& rooms, const std::string& path);
// A former file of the name goes once the new one is whole.
base::Status StoreArtifact(storage::Blobs& blobs, const std::string& key, const ReadPiece& read);
// With `verify` a version's file is compared with its SHA-256 before a byte of it is sent:
// kDataLoss (reason "file_differs").
base::Result<net::HttpResponse> Download(Rooms& rooms, const std::string& key,
                                         const std::string& name, bool verify = false);

}  // namespace slipway::api::mlflow
