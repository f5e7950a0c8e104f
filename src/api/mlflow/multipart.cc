// SPDX-License-Identifier: Apache-2.0
// Artifacts in parts: mpu/create hands out a signed address for each part, mpu/complete joins what
// came there; presigned/ hands out an address whose answer may be asked for in ranges.
#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "api/mlflow/artifact_path.h"
#include "api/mlflow/artifacts.h"
#include "api/mlflow/call.h"
#include "api/mlflow/errors.h"
#include "api/mlflow/signed_url.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/status.h"
#include "net/http.h"
#include "storage/blobs.h"

namespace slipway::api::mlflow {
namespace {

using base::Json;
using base::Result;

constexpr int64_t kMostParts = 10'000;
// What is not completed by then is dropped when another upload begins.
constexpr base::Micros kUploadLives = 24 * base::kHour;
constexpr const char* kUploads = "uploads";
constexpr const char* kProxy = "/api/2.0/mlflow-artifacts/";

struct Multipart {
  std::shared_ptr<Rooms> rooms;
  SignedUrls urls;
  const base::Clock& clock;
};

// "<ends, in seconds>-<random>-<mark over these and the artifact's path>"
std::string NewUploadId(const Multipart& parts, const std::string& path) {
  const std::string start = std::to_string((parts.clock.Now() + kUploadLives) / base::kSecond) +
                            "-" + base::RandomHex32();
  return start + "-" + parts.urls.Mark(start + "\n" + path);
}

base::Status CheckUploadId(const Multipart& parts, const std::string& id, const std::string& path) {
  const size_t end = std::min(id.rfind('-'), id.size());
  const std::string start = id.substr(0, end);
  if (end < id.size() && id.substr(end + 1) == parts.urls.Mark(start + "\n" + path)) return {};
  return base::InvalidArgument(
      "upload_id", "Invalid value '" + id + "' for parameter 'upload_id' supplied: no upload of '" +
                       path + "' has this id.");
}

std::string FolderOf(const std::string& id) { return std::string(kUploads) + "/" + id; }
std::string KeyOfPart(const std::string& id, int64_t number) {
  std::string digits = std::to_string(number);
  return FolderOf(id) + "/" + digits.insert(0, 5 - std::min<size_t>(digits.size(), 5), '0');
}

void DropOldUploads(const Multipart& parts) {
  const Result<std::vector<storage::BlobInfo>> uploads = parts.rooms->blobs.List(kUploads);
  if (!uploads.ok()) return;  // the next one tries again
  for (const storage::BlobInfo& upload : *uploads) {
    int64_t ends = 0;
    std::from_chars(upload.key.data(), upload.key.data() + upload.key.size(), ends);
    if (ends * base::kSecond < parts.clock.Now())
      (void)parts.rooms->blobs.Remove(FolderOf(upload.key));
  }
}

// The artifact that a request is about: the folder in its address and the file's name in its body.
Result<std::string> PathOf(const net::HttpRequest& request, const Json& fields) {
  const std::string file = TRY(RequireText(fields, "path"));
  return request.GetParam("path") + "/" + file.substr(file.rfind('/') + 1);
}

Result<Json> Create(const Multipart& parts, const net::HttpRequest& request) {
  const Call call = TRY(DecodeCall(request));
  const std::string path = TRY(PathOf(request, call.fields));
  TRY(KeyOfArtifactPath(path));
  TRY(CheckWritable(*parts.rooms, path));
  const int64_t count = TRY(OptionalNumber(call.fields, "num_parts")).value_or(1);
  if (count < 1 || count > kMostParts)
    return WrongType(Json(count), "num_parts", "1 to " + std::to_string(kMostParts));
  DropOldUploads(parts);
  const std::string id = NewUploadId(parts, path);
  Json credentials = Json::MakeArray();
  for (int64_t number = 1; number <= count; ++number) {
    const std::string target = std::string(kProxy) + "parts/" + id + "/" + std::to_string(number);
    credentials.Append(
        Json::MakeObject({{"url", parts.urls.Make(request, "PUT", target, parts.clock.Now())},
                          {"part_number", number},
                          {"headers", Json::MakeObject()}}));
  }
  return Json::MakeObject({{"upload_id", id}, {"credentials", std::move(credentials)}});
}

Result<net::HttpResponse> PutPart(const Multipart& parts, net::HttpRequest& request) {
  TRY(parts.urls.Check(request, parts.clock.Now()));
  int64_t number = 0;
  const std::string& digits = request.GetParam("part");
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  const std::string key = KeyOfPart(request.GetParam("upload"), number);
  TRY(StoreArtifact(parts.rooms->blobs, key,
                    [&](std::span<char> buffer) { return request.stream->Read(buffer); }));
  net::HttpResponse response = net::HttpResponse::Json(200, "{}");
  response.SetHeader("ETag",
                     "\"" + TRY(parts.rooms->blobs.Digest(key)).sha256.substr(0, 32) + "\"");
  return response;
}

// The parts that a client says it sent, in the order of their numbers; each is there, and what its
// ETag says.
Result<std::vector<std::string>> SentParts(const Multipart& parts, const std::string& id,
                                           const Json& fields) {
  const Json::Array* items = TRY(OptionalObjects(fields, "parts"));
  if (items == nullptr || items->empty()) return Missing("parts");
  std::vector<std::string> keys;
  int64_t last = 0;
  for (const Json& item : *items) {
    const int64_t number = TRY(OptionalNumber(item, "part_number")).value_or(0);
    if (number <= last || number > kMostParts) {
      return base::InvalidArgument(
          "parts", "Part numbers rise from 1 to " + std::to_string(kMostParts) + "; got " +
                       std::to_string(number) + " after " + std::to_string(last) + ".");
    }
    last = number;
    keys.push_back(KeyOfPart(id, number));
    const Result<storage::BlobDigest> digest = parts.rooms->blobs.Digest(keys.back());
    const std::string etag = TRY(OptionalText(item, "etag"));
    if (!digest.ok() || etag.find(digest->sha256.substr(0, 32)) == std::string::npos) {
      return base::InvalidArgument("parts", "Part " + std::to_string(number) +
                                                " was not received with ETag '" + etag + "'.");
    }
  }
  return keys;
}

Result<Json> Complete(const Multipart& parts, const net::HttpRequest& request) {
  const Call call = TRY(DecodeCall(request));
  const std::string path = TRY(PathOf(request, call.fields));
  const std::string id = TRY(RequireText(call.fields, "upload_id"));
  TRY(CheckUploadId(parts, id, path));
  TRY(CheckWritable(*parts.rooms, path));
  const std::vector<std::string> keys = TRY(SentParts(parts, id, call.fields));
  storage::Blobs& blobs = parts.rooms->blobs;
  size_t next = 0;
  std::unique_ptr<storage::BlobReader> reader;
  TRY(StoreArtifact(blobs, TRY(KeyOfArtifactPath(path)),
                    [&](std::span<char> buffer) -> Result<size_t> {
                      for (;;) {
                        const size_t got = reader ? TRY(reader->Read(buffer)) : 0;
                        if (got > 0 || next == keys.size()) return got;
                        reader = TRY(blobs.Open(keys[next++]));
                      }
                    }));
  TRY(blobs.Remove(FolderOf(id)));
  return Json::MakeObject();
}

Result<Json> Abort(const Multipart& parts, const net::HttpRequest& request) {
  const Call call = TRY(DecodeCall(request));
  const std::string id = TRY(RequireText(call.fields, "upload_id"));
  TRY(CheckUploadId(parts, id, TRY(PathOf(request, call.fields))));
  const base::Status removed = parts.rooms->blobs.Remove(FolderOf(id));
  if (!removed.ok() && removed.code() != base::Code::kNotFound) return removed;
  return Json::MakeObject();
}

std::string EncodedPath(const std::string& path) {
  std::string encoded;
  for (size_t start = 0; start <= path.size();) {
    const size_t end = std::min(path.find('/', start), path.size());
    encoded += (start == 0 ? "" : "/") + net::PercentEncode(path.substr(start, end - start));
    start = end + 1;
  }
  return encoded;
}

Result<Json> Presign(const Multipart& parts, const net::HttpRequest& request) {
  const std::string& path = request.GetParam("path");
  const std::string key = TRY(KeyOfArtifactPath(path));
  const storage::BlobInfo file = TRY(parts.rooms->blobs.Stat(key));
  if (file.is_directory) return base::NotFound("blob_not_found", "'" + path + "' is a folder");
  const std::string target = std::string(kProxy) + "signed/" + EncodedPath(path);
  return Json::MakeObject({{"url", parts.urls.Make(request, "GET", target, parts.clock.Now())},
                           {"headers", Json::MakeObject()},
                           {"file_size", file.size_bytes}});
}

// A part of a file: what comes before it is read and dropped.
class RangeSource final : public net::BodySource {
 public:
  RangeSource(std::unique_ptr<net::BodySource> whole, int64_t before, int64_t length)
      : whole_(std::move(whole)), before_(before), left_(length) {}

  Result<size_t> Read(std::span<char> buffer) override {
    while (before_ > 0) {
      const auto most =
          static_cast<size_t>(std::min<int64_t>(before_, static_cast<int64_t>(buffer.size())));
      const size_t got = TRY(whole_->Read(buffer.first(most)));
      if (got == 0) return base::Internal("short_artifact", "the artifact ended too early");
      before_ -= static_cast<int64_t>(got);
    }
    const auto most =
        static_cast<size_t>(std::min<int64_t>(left_, static_cast<int64_t>(buffer.size())));
    if (most == 0) return size_t{0};
    const size_t got = TRY(whole_->Read(buffer.first(most)));
    left_ -= static_cast<int64_t>(got);
    return got;
  }

 private:
  std::unique_ptr<net::BodySource> whole_;
  int64_t before_;
  int64_t left_;
};

struct Range {
  int64_t first = 0;
  int64_t last = 0;
};

// "bytes=3-7" or "bytes=3-" of a file; nothing when there is no such header or it asks for several.
std::optional<Range> RangeOf(std::string_view header, int64_t size) {
  constexpr std::string_view kBytes = "bytes=";
  if (!header.starts_with(kBytes)) return std::nullopt;
  header.remove_prefix(kBytes.size());
  Range range{0, size - 1};
  const char* end = header.data() + header.size();
  const auto first = std::from_chars(header.data(), end, range.first);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != '-') return std::nullopt;
  if (first.ptr + 1 == end) return range;
  const auto last = std::from_chars(first.ptr + 1, end, range.last);
  if (last.ec != std::errc() || last.ptr != end) return std::nullopt;
  range.last = std::min(range.last, size - 1);
  return range;
}

Result<net::HttpResponse> GetSigned(const Multipart& parts, const net::HttpRequest& request) {
  TRY(parts.urls.Check(request, parts.clock.Now()));
  const std::string& path = request.GetParam("path");
  net::HttpResponse response =
      TRY(Download(*parts.rooms, TRY(KeyOfArtifactPath(path)), path, parts.rooms->verify_versions));
  response.SetHeader("Accept-Ranges", "bytes");
  const int64_t size = response.source_length.value_or(0);
  const std::optional<Range> range = RangeOf(request.GetHeader("Range"), size);
  if (!range) return response;
  const std::string whole = "/" + std::to_string(size);
  if (range->first > range->last) {
    net::HttpResponse refused = ErrorResponse(base::InvalidArgument(
        "Range", "The file has " + std::to_string(size) + " bytes; the range begins behind them."));
    refused.status = 416;
    refused.SetHeader("Content-Range", "bytes *" + whole);
    return refused;
  }
  response.status = 206;
  response.SetHeader("Content-Range", "bytes " + std::to_string(range->first) + "-" +
                                          std::to_string(range->last) + whole);
  response.source_length = range->last - range->first + 1;
  response.source = std::make_unique<RangeSource>(std::move(response.source), range->first,
                                                  *response.source_length);
  return response;
}

net::HttpResponse Answer(Result<Json> answer) {
  return answer.ok() ? net::HttpResponse::Json(200, answer->Dump())
                     : ErrorResponse(answer.status());
}
net::HttpResponse Answer(Result<net::HttpResponse> answer) {
  return answer.ok() ? std::move(answer).TakeValue() : ErrorResponse(answer.status());
}

}  // namespace

void AddMultipartRoutes(Routes& routes, const base::Clock& clock, const MlflowSettings& settings) {
  const auto parts = std::make_shared<const Multipart>(
      Multipart{routes.rooms(), SignedUrls(settings.signing_secret, settings.public_url), clock});
  net::Router& router = routes.router();
  const auto add = [&](const char* method, const std::string& path, auto handle) {
    router.AddBlocking(method, path, [parts, handle](net::HttpRequest& request) {
      return Answer(handle(*parts, request));
    });
  };
  for (const std::string& start : Routes::Prefixes("2.0/mlflow-artifacts")) {
    add("POST", start + "/mpu/create/{path...}", Create);
    add("POST", start + "/mpu/complete/{path...}", Complete);
    add("POST", start + "/mpu/abort/{path...}", Abort);
    add("GET", start + "/presigned/{path...}", Presign);
  }
  add("GET", std::string(kProxy) + "signed/{path...}", GetSigned);
  router.AddStreaming(
      "PUT", std::string(kProxy) + "parts/{upload}/{part}",
      [parts](net::HttpRequest& request) { return Answer(PutPart(*parts, request)); });
}

}  // namespace slipway::api::mlflow
