// SPDX-License-Identifier: Apache-2.0
// Call: one request of an MLflow client, decoded: its fields whether they came as JSON or as a
// query string, and who asks. Readers answer kInvalidArgument in MLflow's own words.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/mlflow/answer_cache.h"
#include "api/mlflow/mlflow.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/status.h"
#include "events/actor.h"
#include "net/http.h"
#include "registry/registry.h"
#include "registry/webhooks.h"
#include "storage/blobs.h"
#include "tracking/tracking.h"

namespace slipway::api::mlflow {

struct Rooms {
  tracking::Tracking& tracking;
  registry::Registry& registry;
  storage::Blobs& blobs;
  registry::Webhooks& webhooks;
  bool verify_versions = false;  // their files, each time before they are sent
};

struct Call {
  const net::HttpRequest& http;
  base::Json fields;  // an object
  events::Actor actor;
};

using Handler = std::function<base::Result<base::Json>(Rooms&, const Call&)>;
// Of answers that are written as text at once: there is much of it.
using TextHandler = std::function<base::Result<std::string>(Rooms&, const Call&)>;

// A JSON body, or for GET the query string: repeated names become arrays.
base::Result<Call> DecodeCall(const net::HttpRequest& request);
// X-Slipway-Actor, else the name of basic authentication, else the body's user_id, else
// "anonymous".
events::Actor ActorOf(const net::HttpRequest& request, const base::Json& fields);

base::Result<std::string> RequireText(const base::Json& fields,
                                      std::string_view name);  // not empty
base::Result<std::string> OptionalText(const base::Json& fields,
                                       std::string_view name);  // empty when absent
base::Result<std::optional<int64_t>> OptionalNumber(const base::Json& fields,
                                                    std::string_view name);  // also "12"
base::Result<double> RequireDoubleValue(const base::Json& fields,
                                        std::string_view name);  // also "NaN", "Infinity"
base::Result<bool> OptionalFlag(const base::Json& fields, std::string_view name,
                                bool otherwise);  // also "true"
base::Result<std::vector<std::string>> OptionalTexts(const base::Json& fields,
                                                     std::string_view name);  // or one text
// The array `name` of objects; nullptr when absent.
base::Result<const base::Json::Array*> OptionalObjects(const base::Json& fields,
                                                       std::string_view name);
base::Result<std::map<std::string, std::string>> OptionalTags(const base::Json& fields,
                                                              std::string_view name);
base::Result<std::vector<tracking::Param>> OptionalParams(const base::Json& fields,
                                                          std::string_view name);
base::Result<std::string> RequireRunId(
    const base::Json& fields);  // run_id, or run_uuid as old clients say

base::Status Missing(std::string_view name);
base::Status WrongType(const base::Json& value, std::string_view name, std::string_view expected);

// Page tokens are opaque to clients; ours hold the offset. 0 when absent.
base::Result<int64_t> OffsetOf(const base::Json& fields);
std::string TokenFor(int64_t offset);

// Where routes are added; each stands below /api/, /ajax-api/ and, for the page at /mlflow/,
// /mlflow/ajax-api/.
class Routes {
 public:
  Routes(net::Router& router, std::shared_ptr<Rooms> rooms, std::shared_ptr<AnswerCache> cache)
      : router_(router), rooms_(std::move(rooms)), cache_(std::move(cache)) {}
  // Below 2.0/mlflow/.
  void Add(std::string_view method, std::string_view path, Handler handler);
  void AddText(std::string_view method, std::string_view path, TextHandler handler);
  // A GET whose answer only changes when a table of `room` does.
  void AddKept(std::string_view path, std::string_view room, Handler handler);
  void AddKeptText(std::string_view path, std::string_view room, TextHandler handler);
  // Below 3.0/mlflow/.
  void Add3(std::string_view method, std::string_view path, Handler handler);
  // "/api/2.0/mlflow" and its twins, for `path` "2.0/mlflow".
  static std::vector<std::string> Prefixes(std::string_view path);
  net::Router& router() { return router_; }
  [[nodiscard]] const std::shared_ptr<Rooms>& rooms() const { return rooms_; }

 private:
  void AddBelow(std::string_view start, std::string_view method, std::string_view path,
                TextHandler handler);
  net::Router& router_;
  std::shared_ptr<Rooms> rooms_;  // handlers keep it
  std::shared_ptr<AnswerCache> cache_;
};

void AddExperimentRoutes(Routes& routes);
void AddRunRoutes(Routes& routes);
void AddWebhookRoutes(Routes& routes);
void AddLoggedModelRoutes(Routes& routes);
void AddRegisteredModelRoutes(Routes& routes);
void AddModelVersionRoutes(Routes& routes);
void AddArtifactRoutes(Routes& routes);
void AddMultipartRoutes(Routes& routes, const base::Clock& clock, const MlflowSettings& settings);
void AddBrowserRoutes(Routes& routes);
void AddTraceRoutes(Routes& routes);
void AddGraphqlRoute(Routes& routes);

// Handlers of a route that GraphQL asks, too.
base::Result<std::string> SearchRuns(Rooms& rooms, const Call& call);
base::Result<base::Json> SearchModelVersions(Rooms& rooms, const Call& call);
base::Result<base::Json> SearchDatasets(Rooms& rooms, const Call& call);
base::Result<base::Json> HistoryBulkInterval(Rooms& rooms, const Call& call);
base::Result<tracking::Page<tracking::Metric>> HistoryOf(Rooms& rooms, const std::string& run_id,
                                                         const std::string& key, int64_t offset,
                                                         int64_t limit);
base::Result<base::Json> ListArtifactsOfRun(Rooms& rooms, const Call& call);

}  // namespace slipway::api::mlflow
