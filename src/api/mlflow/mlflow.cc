// SPDX-License-Identifier: Apache-2.0
// A version's walk, its door: every route of MLflow's protocol, decoded, called, encoded.
#include "api/mlflow/mlflow.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/mlflow/answer_cache.h"
#include "api/mlflow/call.h"
#include "api/mlflow/errors.h"
#include "api/mlflow/page.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/json.h"
#include "base/status.h"
#include "net/http.h"
#include "registry/registry.h"
#include "registry/webhooks.h"
#include "storage/blobs.h"
#include "storage/database.h"
#include "tracking/tracking.h"

namespace slipway::api::mlflow {
namespace {

// The release whose clients this is tested with; clients compare it with features they want.
constexpr std::string_view kMlflowVersion = "3.17.2";

net::HttpResponse Answer(Rooms& rooms, const TextHandler& handler, net::HttpRequest& request) {
  const base::Result<Call> call = DecodeCall(request);
  if (!call.ok()) return ErrorResponse(call.status());
  base::Result<std::string> answer = handler(rooms, *call);
  return answer.ok() ? net::HttpResponse::Json(200, std::move(answer).TakeValue())
                     : ErrorResponse(answer.status());
}

TextHandler AsText(Handler handler) {
  return
      [handler = std::move(handler)](Rooms& rooms, const Call& call) -> base::Result<std::string> {
        return TRY(handler(rooms, call)).Dump();
      };
}

// What clients do without being told to. Artifacts in parts are there for those who ask
// (MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD and _DOWNLOAD): through this server one request is faster.
net::HttpResponse ServerInfo(const net::HttpRequest&) {
  return net::HttpResponse::Json(
      200, base::Json::MakeObject({{"store_type", "SqlStore"},
                                   {"workspaces_enabled", false},
                                   {"trace_archival_enabled", false},
                                   {"multipart_uploads_enabled", false},
                                   {"multipart_downloads_enabled", false},
                                   {"presigned_upload_run_id_supported", false},
                                   {"presigned_upload_model_id_supported", false}})
               .Dump());
}

}  // namespace

std::vector<std::string> Routes::Prefixes(std::string_view path) {
  std::vector<std::string> prefixes;
  for (const std::string_view start : {"/api/", "/ajax-api/", "/mlflow/ajax-api/"})
    prefixes.push_back(std::string(start) + std::string(path));
  return prefixes;
}

void Routes::Add(std::string_view method, std::string_view path, Handler handler) {
  AddBelow("2.0/mlflow/", method, path, AsText(std::move(handler)));
}

void Routes::AddText(std::string_view method, std::string_view path, TextHandler handler) {
  AddBelow("2.0/mlflow/", method, path, std::move(handler));
}

void Routes::Add3(std::string_view method, std::string_view path, Handler handler) {
  AddBelow("3.0/mlflow/", method, path, AsText(std::move(handler)));
}

void Routes::AddKept(std::string_view path, std::string_view room, Handler handler) {
  AddKeptText(path, room, AsText(std::move(handler)));
}

void Routes::AddKeptText(std::string_view path, std::string_view room, TextHandler handler) {
  const auto shared = std::make_shared<TextHandler>(std::move(handler));
  for (const std::string& prefix : Prefixes("2.0/mlflow/")) {
    router_.AddBlocking(
        "GET", prefix + std::string(path),
        [rooms = rooms_, cache = cache_, shared, room](net::HttpRequest& request) {
          const std::optional<uint64_t> changes = cache->ChangesOf(room);
          net::HttpResponse response = Answer(*rooms, *shared, request);
          if (response.status == 200) cache->Keep(request.target, changes, response.body);
          return response;
        },
        [cache = cache_, room](const net::HttpRequest& request) {
          const std::shared_ptr<const std::string> body = cache->Find(room, request.target);
          return body ? std::optional(net::HttpResponse::Json(200, *body)) : std::nullopt;
        });
  }
}

void Routes::AddBelow(std::string_view start, std::string_view method, std::string_view path,
                      TextHandler handler) {
  const auto shared = std::make_shared<TextHandler>(std::move(handler));
  for (const std::string& prefix : Prefixes(start)) {
    router_.AddBlocking(method, prefix + std::string(path),
                        [rooms = rooms_, shared](net::HttpRequest& request) {
                          return Answer(*rooms, *shared, request);
                        });
  }
}

void Describe(base::Schema& schema, MlflowSettings& settings) {
  schema.Add(
      "mlflow.ui", &settings.ui,
      "MLflow's own page at /mlflow/: the folder with its index.html (mlflow/server/js/build "
      "of an installed mlflow), `auto` to look for one, or `off`.");
  schema.Add(
      "mlflow.public_url", &settings.public_url,
      "Where clients reach this server (https://models.example.org), for the signed addresses "
      "of artifacts; empty: http:// and the host that the client asked.");
  schema.Add("mlflow.signing_secret", &settings.signing_secret,
             "Signs the addresses of artifacts that are moved in parts; the same on every replica. "
             "Empty: one of each process.");
}

void Register(net::Router& router, tracking::Tracking& tracking, registry::Registry& registry,
              storage::Blobs& blobs, registry::Webhooks& webhooks, storage::Database& database,
              const base::Clock& clock, const MlflowSettings& settings) {
  // The handlers live in the router and share this.
  const auto rooms =
      std::make_shared<Rooms>(Rooms{tracking, registry, blobs, webhooks, settings.verify_versions});
  Routes routes(router, rooms, std::make_shared<AnswerCache>(database));
  AddExperimentRoutes(routes);
  AddRunRoutes(routes);
  AddLoggedModelRoutes(routes);
  AddRegisteredModelRoutes(routes);
  AddModelVersionRoutes(routes);
  AddWebhookRoutes(routes);
  AddArtifactRoutes(routes);
  AddMultipartRoutes(routes, clock, settings);
  AddTraceRoutes(routes);
  AddBrowserRoutes(routes);
  AddGraphqlRoute(routes);
  AddPage(router, settings.ui);
  for (const std::string& prefix : Routes::Prefixes("3.0/mlflow")) {
    router.AddBlocking("GET", prefix + "/server-info", ServerInfo);
    router.OnNotFound(prefix + "/", NoSuchEndpoint);
  }
  for (const std::string& prefix : Routes::Prefixes("2.0/mlflow")) {
    router.OnNotFound(prefix + "/", NoSuchEndpoint);
    router.OnNotFound(prefix + "-artifacts/", NoSuchEndpoint);
  }
  router.AddBlocking("GET", "/version", [](const net::HttpRequest&) {
    return net::HttpResponse::Text(200, std::string(kMlflowVersion));
  });
}

}  // namespace slipway::api::mlflow
