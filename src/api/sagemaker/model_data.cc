// SPDX-License-Identifier: Apache-2.0
// A package's files, found in the server's own store.
#include "api/sagemaker/model_data.h"

#include <charconv>
#include <string>
#include <string_view>
#include <utility>

#include "api/sagemaker/call.h"
#include "base/json.h"
#include "base/status.h"
#include "storage/blobs.h"

namespace slipway::api::sagemaker {
namespace {

constexpr std::string_view kUrl = "InferenceSpecification.Containers[0].ModelDataUrl";
constexpr std::string_view kArtifacts = "artifacts/";

// mlflow-artifacts:/3/<run>/artifacts/model, or what Blobs::UriOf gives.
std::string KeyOf(const storage::Blobs& blobs, std::string_view uri) {
  constexpr std::string_view kMlflow = "mlflow-artifacts:/";
  while (uri.ends_with('/')) uri.remove_suffix(1);
  if (uri.starts_with(kMlflow)) {
    const std::string rest(uri.substr(kMlflow.size()));
    return rest.starts_with("models/") ? rest : std::string(kArtifacts) + rest;
  }
  std::string root = blobs.UriOf("x");
  root.pop_back();
  for (const std::string& prefix : {root, "file://" + root}) {
    if (uri.starts_with(prefix)) return std::string(uri.substr(prefix.size()));
  }
  return "";
}

// artifacts/<experiment>/<run>/artifacts/...
std::string RunOf(const std::string& key) {
  if (!key.starts_with(kArtifacts)) return "";
  const size_t first = key.find('/', kArtifacts.size());
  if (first == std::string::npos) return "";
  const size_t second = key.find('/', first + 1);
  std::string run = key.substr(first + 1, second - first - 1);
  return run == "models" ? std::string() : run;
}

void SetNumber(base::Json& into, std::string_view name, const std::string& text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size()) into.Set(name, number);
}

}  // namespace

base::Result<ModelData> ModelDataOf(storage::Blobs& blobs, const base::Json& fields) {
  const base::Json* specification = fields.Find("InferenceSpecification");
  const base::Json* containers =
      specification == nullptr ? nullptr : specification->Find("Containers");
  if (containers == nullptr || !containers->is_array() || containers->AsArray().size() != 1)
    return Invalid("InferenceSpecification.Containers", "must be given, with one container");
  const base::Json& container = containers->AsArray().front();
  std::string uri = TextOf(container, "ModelDataUrl");
  const base::Json* source = container.Find("ModelDataSource");
  const base::Json* bucket = source == nullptr ? nullptr : source->Find("S3DataSource");
  if (uri.empty() && bucket != nullptr) uri = TextOf(*bucket, "S3Uri");
  if (container.Find("ModelDataETag") != nullptr)
    return Invalid("InferenceSpecification.Containers[0].ModelDataETag",
                   "must be absent: files are verified by the SHA-256 of each");
  const std::string key = KeyOf(blobs, uri);
  if (key.empty()) {
    return Invalid(kUrl, "must name a folder below " + blobs.UriOf("artifacts") +
                             " or mlflow-artifacts:/, this server's own store, not '" + uri + "'");
  }
  if (TRY(blobs.ListAll(key)).empty()) {
    return Invalid(kUrl, "must name a folder with the model's files; '" + uri +
                             "' has none (a .tar.gz is not opened: unpack it first)");
  }
  return ModelData{std::move(uri), key, RunOf(key)};
}

base::Json MetadataOf(const base::Json& fields) {
  base::Json metadata = base::Json::MakeObject();
  base::Json params = base::Json::MakeObject();
  base::Json metrics = base::Json::MakeObject();
  if (const base::Json* properties = fields.Find("MetadataProperties")) {
    const std::string commit = TextOf(*properties, "CommitId");
    if (!commit.empty()) metadata.Set("git_sha", commit);
  }
  if (const base::Json* customer = fields.Find("CustomerMetadataProperties")) {
    for (const auto& [key, value] : customer->AsObject()) {
      const std::string& text = value.AsString();
      if (key == "dataset_hash" || key == "git_sha") metadata.Set(key, text);
      if (key == "training_duration_s") SetNumber(metadata, key, text);
      if (key.starts_with("params.")) params.Set(key.substr(7), text);
      if (key.starts_with("metrics.")) SetNumber(metrics, key.substr(8), text);
    }
  }
  metadata.Set("params", std::move(params));
  metadata.Set("metrics", std::move(metrics));
  return metadata;
}

}  // namespace slipway::api::sagemaker
