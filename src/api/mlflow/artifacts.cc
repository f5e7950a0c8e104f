// SPDX-License-Identifier: Apache-2.0
// The artifact proxy: files up and down through Blobs, piece by piece, and listings. What a run or
// a logged model wrote may be written again; what belongs to a version may not.
#include "api/mlflow/artifacts.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "api/mlflow/artifact_path.h"
#include "api/mlflow/call.h"
#include "api/mlflow/errors.h"
#include "base/json.h"
#include "base/status.h"
#include "net/http.h"
#include "registry/registry.h"
#include "storage/blobs.h"
#include "tracking/tracking.h"

namespace slipway::api::mlflow {
namespace {

using base::Json;
using base::Result;

constexpr size_t kPieceBytes = 256 * 1024;

// The answer's body, read from the blob as it is sent.
class BlobSource final : public net::BodySource {
 public:
  explicit BlobSource(std::unique_ptr<storage::BlobReader> reader) : reader_(std::move(reader)) {}
  Result<size_t> Read(std::span<char> buffer) override { return reader_->Read(buffer); }

 private:
  std::unique_ptr<storage::BlobReader> reader_;
};

base::Status Immutable(const std::string& path) {
  return base::PermissionDenied("version_immutable",
                                "'" + path +
                                    "' belongs to a model version, which never changes: log a new "
                                    "model and register a new version.");
}

// Is there the run, logged model or trace that `parts`, the first five of a path, belong to?
Result<bool> HasOwner(Rooms& rooms, const std::vector<std::string>& parts) {
  if (parts.size() >= 4 && parts[2] == "artifacts") {
    const tracking::Run run = TRY(rooms.tracking.GetRun(parts[1]));
    return run.info.experiment_id == parts[0] && !run.info.deleted;
  }
  if (parts.size() < 5 || parts[3] != "artifacts") return false;
  if (parts[1] == "models")
    return TRY(rooms.tracking.GetLoggedModel(parts[2])).experiment_id == parts[0];
  if (parts[1] != "traces") return false;
  const std::vector<tracking::Trace> traces = TRY(rooms.tracking.GetTraces({parts[2]}));
  return !traces.empty() && traces.front().info.experiment_id == parts[0];
}

Result<storage::BlobDigest> Store(storage::Blobs& blobs, const std::string& key,
                                  const ReadPiece& read) {
  const std::unique_ptr<storage::BlobWriter> writer = TRY(blobs.Create(key));
  std::vector<char> piece(kPieceBytes);
  for (;;) {
    const size_t got = TRY(read(piece));
    if (got == 0) return writer->Publish();
    TRY(writer->Append(std::span<const char>(piece.data(), got)));
  }
}

// Clients do log the same file again. Blobs are written once, so the new bytes wait in a nameless
// file until they are all here; only then the old ones go.
base::Status Replace(storage::Blobs& blobs, const std::string& key, const ReadPiece& read) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> spool(std::tmpfile(), std::fclose);
  if (!spool) return base::FromErrno(errno, "make a temporary file");
  std::vector<char> piece(kPieceBytes);
  for (;;) {
    const size_t got = TRY(read(piece));
    if (got == 0) break;
    if (std::fwrite(piece.data(), 1, got, spool.get()) != got)
      return base::FromErrno(errno, "write a temporary file");
  }
  if (std::fseek(spool.get(), 0, SEEK_SET) != 0) {
    return base::FromErrno(errno, "write a temporary file");
  }
  TRY(blobs.Remove(key));
  return Store(blobs, key,
               [&](std::span<char> buffer) -> Result<size_t> {
                 if (std::feof(spool.get()) != 0 || std::ferror(spool.get()) != 0) return size_t{0};
                 const size_t got = std::fread(buffer.data(), 1, buffer.size(), spool.get());
                 if (std::ferror(spool.get()) != 0) {
                   return base::FromErrno(errno, "read a temporary file");
                 }
                 return got;
               })
      .status();
}

base::Status UploadTo(Rooms& rooms, net::HttpRequest& request, const std::string& path) {
  const std::string key = TRY(KeyOfArtifactPath(path));
  TRY(CheckWritable(rooms, path));
  return StoreArtifact(rooms.blobs, key,
                       [&](std::span<char> buffer) { return request.stream->Read(buffer); });
}

// "models/<name>/v<number>/<path>", read whole and compared with the version's manifest first.
Result<std::unique_ptr<storage::BlobReader>> OpenVerified(Rooms& rooms, const std::string& key) {
  const size_t name = key.find('/') + 1;
  const size_t number = std::min(key.find("/v", name), key.size());
  const size_t path = std::min(key.find('/', number + 1), key.size());
  int64_t version = 0;
  if (number + 2 < path) std::from_chars(key.data() + number + 2, key.data() + path, version);
  if (version <= 0 || path + 1 >= key.size()) return rooms.blobs.Open(key);
  return rooms.registry.OpenFile(key.substr(name, number - name), version, key.substr(path + 1),
                                 true);
}

// The children of a blob folder as MLflow's FileInfo, their paths below `prefix`.
Result<Json> ListFiles(Rooms& rooms, const std::string& folder, const std::string& prefix) {
  Json files = Json::MakeArray();
  for (const storage::BlobInfo& child : TRY(rooms.blobs.List(folder))) {
    Json file = Json::MakeObject({{"path", prefix.empty() ? child.key : prefix + "/" + child.key},
                                  {"is_dir", child.is_directory}});
    if (!child.is_directory) file.Set("file_size", child.size_bytes);
    files.Append(std::move(file));
  }
  return files;
}

Result<Json> ListProxied(Rooms& rooms, const Call& call) {
  const std::string path = TRY(OptionalText(call.fields, "path"));
  if (path.empty()) return Missing("path");
  return Json::MakeObject({{"files", TRY(ListFiles(rooms, TRY(KeyOfArtifactPath(path)), ""))}});
}

// artifacts/list and logged-models/{id}/artifacts/directories: below `root_uri`, paths relative to
// it.
Result<Json> ListBelow(Rooms& rooms, const std::string& root_uri, const std::string& path) {
  const std::string root = root_uri.substr(tracking::kArtifactScheme.size());
  const std::string folder = TRY(KeyOfArtifactPath(path.empty() ? root : root + "/" + path));
  return Json::MakeObject({{"root_uri", root_uri}, {"files", TRY(ListFiles(rooms, folder, path))}});
}

Result<Json> ListOfLoggedModel(Rooms& rooms, const Call& call) {
  const tracking::LoggedModel model =
      TRY(rooms.tracking.GetLoggedModel(call.http.GetParam("model_id")));
  return ListBelow(rooms, model.artifact_uri,
                   TRY(OptionalText(call.fields, "artifact_directory_path")));
}

Result<net::HttpResponse> GetOfRun(Rooms& rooms, const net::HttpRequest& request) {
  const Call call = TRY(DecodeCall(request));
  const std::string path = TRY(RequireText(call.fields, "path"));
  const tracking::Run run = TRY(rooms.tracking.GetRun(TRY(RequireRunId(call.fields))));
  const std::string root = run.info.artifact_uri.substr(tracking::kArtifactScheme.size());
  return Download(rooms, TRY(KeyOfArtifactPath(root + "/" + path)), path);
}

Result<net::HttpResponse> GetOfVersion(Rooms& rooms, const net::HttpRequest& request) {
  const Call call = TRY(DecodeCall(request));
  const std::string path = TRY(RequireText(call.fields, "path"));
  const std::string name = TRY(RequireText(call.fields, "name"));
  const std::optional<int64_t> number = TRY(OptionalNumber(call.fields, "version"));
  if (!number) return Missing("version");
  const registry::Version version = TRY(rooms.registry.GetVersion(name, *number));
  const std::string root = UriOfVersion(version).substr(tracking::kArtifactScheme.size());
  return Download(rooms, TRY(KeyOfArtifactPath(root + "/" + path)), path, rooms.verify_versions);
}

Result<net::HttpResponse> GetOfLoggedModel(Rooms& rooms, const net::HttpRequest& request) {
  const Call call = TRY(DecodeCall(request));
  const std::string path = TRY(RequireText(call.fields, "artifact_file_path"));
  const tracking::LoggedModel model =
      TRY(rooms.tracking.GetLoggedModel(request.GetParam("model_id")));
  const std::string root = model.artifact_uri.substr(tracking::kArtifactScheme.size());
  return Download(rooms, TRY(KeyOfArtifactPath(root + "/" + path)), path);
}

// How the page keeps an image or a table with a run.
base::Status UploadToRun(Rooms& rooms, net::HttpRequest& request) {
  const std::optional<std::string> path = request.GetQuery("path");
  const std::optional<std::string> run_id = request.GetQuery("run_uuid");
  if (!run_id || run_id->empty()) return Missing("run_uuid");
  if (!path || path->empty()) return Missing("path");
  const tracking::Run run = TRY(rooms.tracking.GetRun(*run_id));
  return UploadTo(rooms, request,
                  run.info.artifact_uri.substr(tracking::kArtifactScheme.size()) + "/" + *path);
}

Result<net::HttpResponse> GetProxied(Rooms& rooms, const net::HttpRequest& request) {
  const std::string& path = request.GetParam("path");
  const std::string verify = request.GetQuery("verify").value_or("false");
  if (verify != "true" && verify != "false")
    return WrongType(Json(verify), "verify", "true or false");
  return Download(rooms, TRY(KeyOfArtifactPath(path)), path,
                  rooms.verify_versions || verify == "true");
}

base::Status Delete(Rooms& rooms, const net::HttpRequest& request) {
  const std::string& path = request.GetParam("path");
  const std::string key = TRY(KeyOfArtifactPath(path));
  TRY(CheckWritable(rooms, path + (path.ends_with("/artifacts") ? "/all" : "")));
  return rooms.blobs.Remove(key);
}

net::HttpResponse Answer(Result<net::HttpResponse> response) {
  return response.ok() ? std::move(response).TakeValue() : ErrorResponse(response.status());
}
net::HttpResponse Answer(const base::Status& status) {
  return status.ok() ? net::HttpResponse::Json(200, "{}") : ErrorResponse(status);
}

}  // namespace

// Uploads go to what is there: "<experiment>/<run>/artifacts/<file>" or
// "<experiment>/models/<id>/artifacts/<file>" or "<experiment>/traces/<id>/artifacts/<file>".
base::Status CheckWritable(Rooms& rooms, const std::string& path) {
  if (IsOfVersion(path)) return Immutable(path);
  std::vector<std::string> parts;
  size_t start = 0;
  while (parts.size() < 5 && start <= path.size()) {
    const size_t end = std::min(path.find('/', start), path.size());
    parts.push_back(path.substr(start, end - start));
    start = end + 1;
  }
  if (TRY(HasOwner(rooms, parts))) return {};
  return base::InvalidArgument(
      "path",
      "Invalid path: '" + path +
          "'. Artifacts belong to a run (<experiment>/<run>/artifacts/...), to a logged model "
          "(<experiment>/models/<id>/artifacts/...) or to a trace "
          "(<experiment>/traces/<id>/artifacts/...).");
}

base::Status StoreArtifact(storage::Blobs& blobs, const std::string& key, const ReadPiece& read) {
  const Result<storage::BlobInfo> known = blobs.Stat(key);
  if (known.ok() && !known->is_directory) return Replace(blobs, key, read);
  return Store(blobs, key, read).status();
}

Result<net::HttpResponse> Download(Rooms& rooms, const std::string& key, const std::string& name,
                                   bool verify) {
  std::unique_ptr<storage::BlobReader> reader =
      verify && IsOfVersion(key) ? TRY(OpenVerified(rooms, key)) : TRY(rooms.blobs.Open(key));
  net::HttpResponse response;
  response.SetHeader("Content-Type", "application/octet-stream");
  response.SetHeader("X-Content-Type-Options", "nosniff");
  response.SetHeader(
      "Content-Disposition",
      "attachment; filename*=UTF-8''" + net::PercentEncode(name.substr(name.rfind('/') + 1)));
  response.source_length = reader->size_bytes();
  response.source = std::make_unique<BlobSource>(std::move(reader));
  return response;
}

Result<Json> ListArtifactsOfRun(Rooms& rooms, const Call& call) {
  const tracking::Run run = TRY(rooms.tracking.GetRun(TRY(RequireRunId(call.fields))));
  return ListBelow(rooms, run.info.artifact_uri, TRY(OptionalText(call.fields, "path")));
}

void AddArtifactRoutes(Routes& routes) {
  routes.Add("GET", "artifacts/list", ListArtifactsOfRun);
  routes.Add("GET", "logged-models/{model_id}/artifacts/directories", ListOfLoggedModel);
  net::Router& router = routes.router();
  const std::shared_ptr<Rooms> rooms = routes.rooms();
  const auto add_download = [&](const std::string& path, auto find) {
    router.AddBlocking("GET", path, [rooms, find](net::HttpRequest& request) {
      return Answer(find(*rooms, request));
    });
  };
  for (const std::string start : {"", "/mlflow"}) {
    add_download(start + "/get-artifact", GetOfRun);
    add_download(start + "/model-versions/get-artifact", GetOfVersion);
  }
  for (const std::string& prefix : Routes::Prefixes("2.0/mlflow")) {
    add_download(prefix + "/get-artifact", GetOfRun);
    add_download(prefix + "/logged-models/{model_id}/artifacts/files", GetOfLoggedModel);
    router.AddStreaming("POST", prefix + "/upload-artifact", [rooms](net::HttpRequest& request) {
      return Answer(UploadToRun(*rooms, request));
    });
  }
  for (const std::string& start : Routes::Prefixes("2.0/mlflow-artifacts/artifacts")) {
    router.AddBlocking("GET", start, [rooms](net::HttpRequest& request) {
      const Result<Call> call = DecodeCall(request);
      if (!call.ok()) return ErrorResponse(call.status());
      const Result<Json> files = ListProxied(*rooms, *call);
      return files.ok() ? net::HttpResponse::Json(200, files->Dump())
                        : ErrorResponse(files.status());
    });
    router.AddBlocking("GET", start + "/{path...}", [rooms](net::HttpRequest& request) {
      return Answer(GetProxied(*rooms, request));
    });
    router.AddStreaming("PUT", start + "/{path...}", [rooms](net::HttpRequest& request) {
      return Answer(UploadTo(*rooms, request, request.GetParam("path")));
    });
    router.AddBlocking("DELETE", start + "/{path...}", [rooms](net::HttpRequest& request) {
      return Answer(Delete(*rooms, request));
    });
  }
}

}  // namespace slipway::api::mlflow
