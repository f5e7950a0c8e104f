// SPDX-License-Identifier: Apache-2.0
// Artifact paths and model sources, checked.
#include "api/mlflow/artifact_path.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "api/mlflow/call.h"
#include "base/status.h"
#include "registry/registry.h"
#include "tracking/tracking.h"

namespace slipway::api::mlflow {
namespace {

constexpr std::string_view kVersions = "models/";
constexpr std::string_view kRuns = "runs:/";
constexpr std::string_view kModels = "models:/";

base::Status BadPath(std::string_view path) {
  return base::InvalidArgument(
      "path", "Invalid path: '" + std::string(path) +
                  "'. Expected relative segments, without '..' and control characters.");
}

base::Status BadSource(const std::string& uri, const std::string& why) {
  return base::InvalidArgument("source", "Invalid model version source: '" + uri + "'. " + why);
}

std::string_view Trim(std::string_view path) {
  while (path.starts_with('/')) path.remove_prefix(1);
  while (path.ends_with('/')) path.remove_suffix(1);
  return path;
}

base::Result<Source> OfLoggedModel(const tracking::LoggedModel& model, const std::string& uri) {
  if (model.status != "LOGGED_MODEL_READY") {
    return base::FailedPrecondition(
        "source_not_ready",
        "Model version source '" + uri + "' is " + model.status + ": its files are not all there.");
  }
  const std::string path = model.artifact_uri.substr(tracking::kArtifactScheme.size());
  return Source{TRY(KeyOfArtifactPath(path)), model.run_id, model.model_id};
}

// In MLflow 3 a run's "model" is a logged model of that name; an artifact folder of the run comes
// first.
base::Result<Source> OfRun(Rooms& rooms, const std::string& uri) {
  const std::string_view rest = Trim(std::string_view(uri).substr(kRuns.size()));
  const size_t slash = rest.find('/');
  const std::string run_id(rest.substr(0, slash));
  const std::string path(slash == std::string_view::npos ? "" : rest.substr(slash + 1));
  const tracking::Run run = TRY(rooms.tracking.GetRun(run_id));
  const std::string root = run.info.artifact_uri.substr(tracking::kArtifactScheme.size());
  const std::string folder = TRY(KeyOfArtifactPath(path.empty() ? root : root + "/" + path));
  if (!TRY(rooms.blobs.List(folder)).empty()) return Source{folder, run_id, ""};
  for (auto link = run.model_outputs.rbegin(); link != run.model_outputs.rend(); ++link) {
    const base::Result<tracking::LoggedModel> model = rooms.tracking.GetLoggedModel(link->model_id);
    if (model.ok() && model->name == path) return OfLoggedModel(*model, uri);
  }
  return Source{folder, run_id, ""};
}

std::optional<int64_t> ParseVersionNumber(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole ? std::optional(number) : std::nullopt;
}

base::Result<registry::Version> FindVersion(Rooms& rooms, const std::string& uri,
                                            std::string_view rest) {
  const size_t slash = rest.find('/');
  const size_t at = rest.find('@');
  if (slash == std::string_view::npos && at != std::string_view::npos) {
    return rooms.registry.GetByAlias(std::string(rest.substr(0, at)),
                                     std::string(rest.substr(at + 1)));
  }
  if (slash == std::string_view::npos)
    return BadSource(uri, "Expected models:/<name>/<version> or models:/m-<model id>.");
  const std::string name(rest.substr(0, slash));
  const std::string_view which = rest.substr(slash + 1);
  if (const std::optional<int64_t> number = ParseVersionNumber(which))
    return rooms.registry.GetVersion(name, *number);
  const registry::Stage stage = TRY(registry::ParseStage(which));
  std::optional<registry::Version> version = TRY(rooms.registry.InStage(name, stage));
  if (!version)
    return base::NotFound("version_not_found",
                          "Model '" + name + "' has no version in " + std::string(which) + ".");
  return std::move(*version);
}

base::Result<Source> OfModels(Rooms& rooms, const std::string& uri) {
  const std::string_view rest = Trim(std::string_view(uri).substr(kModels.size()));
  const bool is_logged = rest.starts_with("m-") && rest.find('/') == std::string_view::npos;
  if (is_logged) return OfLoggedModel(TRY(rooms.tracking.GetLoggedModel(std::string(rest))), uri);
  const registry::Version version = TRY(FindVersion(rooms, uri, rest));
  if (version.status != "READY") {
    return base::FailedPrecondition(
        "source_not_ready", "Model version source '" + uri + "' is " + version.status + ".");
  }
  return Source{version.Folder(), version.run_id, version.model_id};
}

// "3/models/m-abc/artifacts" and "3/<run>/artifacts" say whose they are.
Source OfArtifacts(std::string key) {
  Source source;
  const std::string_view path =
      std::string_view(key).substr(std::min(key.size(), tracking::kArtifactFolder.size()));
  const size_t first = path.find('/');
  if (key.starts_with(tracking::kArtifactFolder) && first != std::string_view::npos) {
    std::string_view rest = path.substr(first + 1);
    const bool of_model = rest.starts_with(kVersions);
    if (of_model) rest.remove_prefix(kVersions.size());
    (of_model ? source.model_id : source.run_id) = std::string(rest.substr(0, rest.find('/')));
  }
  source.folder = std::move(key);
  return source;
}

}  // namespace

bool IsOfVersion(std::string_view path) {
  return Trim(path).starts_with(kVersions) || Trim(path) == "models";
}

base::Result<std::string> KeyOfArtifactPath(std::string_view path) {
  const std::string_view trimmed = Trim(path);
  size_t start = 0;
  while (start <= trimmed.size()) {
    const size_t end = std::min(trimmed.find('/', start), trimmed.size());
    const std::string_view segment = trimmed.substr(start, end - start);
    const bool control =
        std::ranges::any_of(segment, [](char c) { return static_cast<unsigned char>(c) < 0x20; });
    if (segment.empty() || segment == "." || segment == ".." || control) return BadPath(path);
    start = end + 1;
  }
  if (IsOfVersion(trimmed)) return std::string(trimmed);
  return std::string(tracking::kArtifactFolder) + std::string(trimmed);
}

base::Result<std::optional<std::string>> KeyOfArtifactUri(std::string_view uri) {
  constexpr std::string_view kAnyAuthority = "mlflow-artifacts://";
  const bool ours = uri.starts_with(tracking::kArtifactScheme) && !uri.starts_with(kAnyAuthority);
  if (!ours) return std::optional<std::string>();
  return std::optional(TRY(KeyOfArtifactPath(uri.substr(tracking::kArtifactScheme.size()))));
}

std::string UriOfVersion(const registry::Version& version) {
  return std::string(tracking::kArtifactScheme) + version.Folder();
}

base::Result<Source> ResolveSource(Rooms& rooms, const std::string& uri) {
  if (uri.starts_with(kRuns)) return OfRun(rooms, uri);
  if (uri.starts_with(kModels)) return OfModels(rooms, uri);
  std::optional<std::string> key = TRY(KeyOfArtifactUri(uri));
  if (key) return OfArtifacts(std::move(*key));
  return BadSource(uri,
                   "Expected runs:/<run id>/<path>, models:/m-<id>, models:/<name>/<version> or an "
                   "mlflow-artifacts:/ path of "
                   "this server; local paths and other stores are not read.");
}

}  // namespace slipway::api::mlflow
