// SPDX-License-Identifier: Apache-2.0
// /api/v1/lineage: from a data set to what answers by it, and back.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/native/answers.h"
#include "api/native/native.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/status.h"
#include "monitoring/monitor.h"
#include "net/http.h"
#include "registry/registry.h"
#include "traffic/endpoints.h"

namespace slipway::api::native {
namespace {

using base::Json;
using registry::Version;

Json Member(const Version& version, std::string_view name) {
  const Json* value = version.metadata.Find(name);
  return value == nullptr ? Json() : *value;
}

// Where the version answers now, and how.
Json Arms(const std::vector<traffic::Plan>& plans, const Version& version) {
  Json arms = Json::MakeArray();
  for (const traffic::Plan& plan : plans) {
    for (const traffic::Arm& arm : plan.arms) {
      if (arm.model != version.model || arm.version != version.number) continue;
      arms.Append(Json::MakeObject({{"endpoint", plan.endpoint},
                                    {"arm", arm.name},
                                    {"weight", arm.weight},
                                    {"since", base::FormatTime(plan.since)}}));
    }
  }
  return arms;
}

Json LineOf(const Version& version, Json arms) {
  return Json::MakeObject(
      {{"dataset_hash", Member(version, "dataset_hash")},
       {"dataset", Member(version, "dataset")},
       {"git_sha", Member(version, "git_sha")},
       {"run_id", version.run_id},
       {"model", version.model},
       {"version", version.number},
       {"stage", StageName(version.stage)},
       {"digest", version.Digest()},
       {"endpoints", std::move(arms)},
       {"predictions", "/api/v1/predictions?endpoint=" + net::PercentEncode(version.model) +
                           "&version=" + std::to_string(version.number)}});
}

// What is asked for: any of these, which all have to hold.
struct Wanted {
  registry::VersionQuery versions;
  std::optional<int64_t> number;
  std::optional<std::string> dataset_hash;
  std::optional<std::string> endpoint;
};

base::Result<Wanted> ReadWanted(const Parts& parts, const net::HttpRequest& request) {
  Wanted wanted;
  wanted.versions.model = request.GetQuery("model");
  wanted.versions.run_id = request.GetQuery("run_id");
  wanted.number = TRY(NumberQuery(request, "version"));
  wanted.dataset_hash = request.GetQuery("dataset_hash");
  wanted.endpoint = request.GetQuery("endpoint");
  if (const auto id = request.GetQuery("prediction")) {
    if (wanted.versions.model || wanted.number)
      return base::InvalidArgument("prediction", "it names the model and the version by itself");
    const auto found = parts.monitor.GetPrediction(*id);
    if (found.status().code() == base::Code::kInvalidArgument)
      return base::InvalidArgument("prediction", found.status().message());
    if (!found.ok()) return found.status();
    wanted.versions.model = found->record.model;
    wanted.number = found->record.version;
  }
  if (wanted.number && !wanted.versions.model)
    return base::InvalidArgument("model", "a version is named together with its model");
  return wanted;
}

base::Result<Json> Lineage(const Parts& parts, const net::HttpRequest& request) {
  const Wanted wanted = TRY(ReadWanted(parts, request));
  const int64_t limit = TRY(LimitOf(request));
  const std::vector<traffic::Plan> plans = parts.endpoints.List();
  Json lines = Json::MakeArray();
  for (const Version& version : TRY(parts.registry.FindVersions(wanted.versions))) {
    if (static_cast<int64_t>(lines.AsArray().size()) == limit) break;
    if (wanted.number && version.number != *wanted.number) continue;
    if (wanted.dataset_hash && Member(version, "dataset_hash") != Json(*wanted.dataset_hash))
      continue;
    Json arms = Arms(plans, version);
    const auto answers_there = [&](const Json& arm) {
      return arm.Find("endpoint") != nullptr && *arm.Find("endpoint") == Json(*wanted.endpoint);
    };
    if (wanted.endpoint && std::ranges::none_of(arms.AsArray(), answers_there)) continue;
    lines.Append(LineOf(version, std::move(arms)));
  }
  return Json::MakeObject({{"lineage", std::move(lines)}});
}

}  // namespace

void RegisterLineage(net::Router& router, const Parts& parts) {
  AddJson(router, "GET", "/api/v1/lineage",
          [parts](net::HttpRequest& request) { return Lineage(parts, request); });
}

}  // namespace slipway::api::native
