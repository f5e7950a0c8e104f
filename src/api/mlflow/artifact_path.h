// SPDX-License-Identifier: Apache-2.0
// Between what clients name ("mlflow-artifacts:/3/<run>/artifacts/model") and blob keys. Of
// versions
// ("mlflow-artifacts:/models/<name>/v<n>/...") only reading is possible.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/mlflow/call.h"

namespace slipway::api::mlflow {

// The blob key of an artifact path without scheme: "3/<run>/artifacts/x", "models/fraud/v2/x". Bad
// segments are kInvalidArgument.
base::Result<std::string> KeyOfArtifactPath(std::string_view path);
// Is it below "models/", where versions stand?
bool IsOfVersion(std::string_view path);
// "mlflow-artifacts:/..." -> the blob key; nothing when the URI has another scheme or names another
// server.
base::Result<std::optional<std::string>> KeyOfArtifactUri(std::string_view uri);
// What clients are told to read a version from.
std::string UriOfVersion(const registry::Version& version);

// Where the files of a new version come from.
struct Source {
  std::string folder;  // blob folder
  std::string run_id;  // what the source itself names; may be empty
  std::string model_id;
};
// runs:/<id>/<path>, models:/m-<id>, models:/<name>/<number | stage> or @<alias>,
// mlflow-artifacts:/<path>; others are refused.
base::Result<Source> ResolveSource(Rooms& rooms, const std::string& uri);

}  // namespace slipway::api::mlflow
