// SPDX-License-Identifier: Apache-2.0
// Where a new package's files are, and what its input says to the required-metadata gate.
#pragma once

#include <string>

#include "base/json.h"
#include "base/status.h"
#include "storage/blobs.h"

namespace slipway::api::sagemaker {

struct ModelData {
  std::string uri;  // as the client gave it
  std::string folder;
  std::string run_id;  // of files that a run logged; may be empty
};

// From InferenceSpecification.Containers[0]: ModelDataUrl, or ModelDataSource.S3DataSource.S3Uri;
// a folder in the server's own store. kInvalidArgument naming the member.
base::Result<ModelData> ModelDataOf(storage::Blobs& blobs, const base::Json& fields);
// MetadataProperties.CommitId and CustomerMetadataProperties dataset_hash, git_sha,
// training_duration_s, params.NAME and metrics.NAME, as registry::Version::metadata.
base::Json MetadataOf(const base::Json& fields);

}  // namespace slipway::api::sagemaker
