// SPDX-License-Identifier: Apache-2.0
// /api/v1/registry: are the bytes of versions still those that were registered; and the files
// themselves.
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "api/native/answers.h"
#include "api/native/native.h"
#include "registry/registry.h"
#include "storage/blobs.h"

namespace slipway::api::native {
namespace {

using base::Json;
using registry::Registry;

base::Result<Json> Verify(Registry& registry, const net::HttpRequest& request) {
  const Json body = TRY(ReadBody(request, {"model", "version"}));
  registry::VersionQuery query;
  query.model = TRY(base::OptionalString(body, "model"));
  const std::optional<int64_t> number = TRY(base::OptionalInt(body, "version"));
  if (number && !query.model)
    return base::InvalidArgument("model", "a version is named together with its model");
  return ToJson(TRY(registry.Verify(query, number)));
}

class FileSource final : public net::BodySource {
 public:
  explicit FileSource(std::unique_ptr<storage::BlobReader> reader) : reader_(std::move(reader)) {}
  base::Result<size_t> Read(std::span<char> buffer) override { return reader_->Read(buffer); }

 private:
  std::unique_ptr<storage::BlobReader> reader_;
};

base::Result<net::HttpResponse> Download(Registry& registry, const net::HttpRequest& request) {
  const std::string checked = request.GetQuery("verify").value_or("false");
  if (checked != "true" && checked != "false")
    return base::InvalidArgument("verify", "expected true or false, got '" + checked + "'");
  auto reader =
      TRY(registry.OpenFile(request.GetParam("model"), TRY(NumberParam(request, "version")),
                            request.GetParam("path"), checked == "true"));
  net::HttpResponse response;
  response.SetHeader("Content-Type", "application/octet-stream");
  response.SetHeader("X-Content-Type-Options", "nosniff");
  response.source_length = reader->size_bytes();
  response.source = std::make_unique<FileSource>(std::move(reader));
  return response;
}

}  // namespace

void RegisterIntegrity(net::Router& router, Registry& registry) {
  AddJson(router, "POST", "/api/v1/registry/verify",
          [&](net::HttpRequest& request) { return Verify(registry, request); });
  AddJson(router, "GET", "/api/v1/registry/damage", [&](net::HttpRequest&) -> base::Result<Json> {
    registry::Integrity known;
    known.damage = TRY(registry.KnownDamage());
    Json answer = Json::MakeObject();
    answer.Set("damage", *ToJson(known).Find("damage"));
    return answer;
  });
  router.AddBlocking("GET", "/api/v1/models/{model}/versions/{version}/files/{path...}",
                     [&](net::HttpRequest& request) {
                       auto response = Download(registry, request);
                       return response.ok() ? std::move(response).TakeValue()
                                            : net::ErrorResponse(response.status());
                     });
}

}  // namespace slipway::api::native
