// SPDX-License-Identifier: Apache-2.0
// POST /graphql: how MLflow's page reads a run, an experiment and what belongs to them. The fields
// are those of the REST routes in other letters (run_id is runId there).
#include <array>
#include <cctype>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/mlflow/call.h"
#include "api/mlflow/encode.h"
#include "api/mlflow/errors.h"
#include "api/mlflow/graphql_document.h"
#include "base/json.h"
#include "base/status.h"
#include "net/http.h"
#include "registry/registry.h"
#include "tracking/tracking.h"

namespace slipway::api::mlflow {
namespace {

using base::Json;
using base::Result;
using Names = std::pair<std::string_view, std::string_view>;

// The schema's types, by the field that holds one.
constexpr std::array<Names, 25> kTypes = {{
    {"mlflowGetRun", "MlflowGetRunResponse"},
    {"mlflowSearchRuns", "MlflowSearchRunsResponse"},
    {"mlflowGetExperiment", "MlflowGetExperimentResponse"},
    {"mlflowSearchModelVersions", "MlflowSearchModelVersionsResponse"},
    {"mlflowSearchDatasets", "MlflowSearchDatasetsResponse"},
    {"mlflowListArtifacts", "MlflowListArtifactsResponse"},
    {"mlflowGetMetricHistoryBulkInterval", "MlflowGetMetricHistoryBulkIntervalResponse"},
    {"run", "MlflowRunExtension"},
    {"runs", "MlflowRunExtension"},
    {"info", "MlflowRunInfo"},
    {"data", "MlflowRunData"},
    {"inputs", "MlflowRunInputs"},
    {"outputs", "MlflowRunOutputs"},
    {"experiment", "MlflowExperiment"},
    {"modelVersions", "MlflowModelVersion"},
    {"metrics", "MlflowMetricExtension"},
    {"params", "MlflowParam"},
    {"tags", "MlflowRunTag"},
    {"dataset", "MlflowDataset"},
    {"datasetInputs", "MlflowDatasetInput"},
    {"datasetSummaries", "MlflowDatasetSummary"},
    {"modelInputs", "MlflowModelInput"},
    {"modelOutputs", "MlflowModelOutput"},
    {"files", "MlflowFileInfo"},
    {"apiError", "ApiError"},
}};
// 64-bit integers travel as strings.
constexpr std::array<std::string_view, 9> kLongs = {"timestamp",
                                                    "step",
                                                    "startTime",
                                                    "endTime",
                                                    "lastUpdateTime",
                                                    "creationTimestamp",
                                                    "lastUpdatedTimestamp",
                                                    "fileSize",
                                                    "creationTime"};

std::string SnakeOf(std::string_view camel) {
  std::string snake;
  for (const char c : camel) {
    if (std::isupper(static_cast<unsigned char>(c)) != 0) snake += '_';
    snake += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return snake;
}

Json Scalar(const std::string& name, const Json& value) {
  for (const std::string_view number : kLongs) {
    if (number == name && value.is_int()) return std::to_string(value.AsInt());
  }
  // The schema has floats, and JSON no NaN.
  const bool is_nan = name == "value" && value.is_string() && value.AsString() == "NaN";
  return is_nan ? Json() : value;
}

// What `field` asks of `value`, in the order asked.
Json Project(const Field& field, const Json& value) {
  if (value.is_array()) {
    Json items = Json::MakeArray();
    for (const Json& item : value.AsArray()) items.Append(Project(field, item));
    return items;
  }
  if (!value.is_object()) return Scalar(field.name, value);
  Json answer = Json::MakeObject();
  for (const Field& inner : field.fields) {
    if (inner.name == "__typename") {
      for (const auto& [name, type] : kTypes) {
        if (name == field.name) answer.Set(inner.answer_name, type);
      }
      continue;
    }
    const Json* found = value.Find(SnakeOf(inner.name));
    answer.Set(inner.answer_name, found == nullptr ? Json() : Project(inner, *found));
  }
  return answer;
}

Result<Json> WithItsOwn(Rooms& rooms, Json run) {
  const Json& info = *run.Find("info");
  registry::VersionQuery query;
  query.run_id = info.Find("run_id")->AsString();
  Json versions = Json::MakeArray();
  for (const registry::Version& version : TRY(rooms.registry.FindVersions(query)))
    versions.Append(VersionJson(version));
  const tracking::Experiment experiment =
      TRY(rooms.tracking.GetExperiment(info.Find("experiment_id")->AsString()));
  run.Set("experiment", ExperimentJson(experiment));
  run.Set("model_versions", std::move(versions));
  return run;
}

Result<Json> GetRun(Rooms& rooms, const Call& call) {
  const tracking::Run run = TRY(rooms.tracking.GetRun(TRY(RequireRunId(call.fields))));
  return Json::MakeObject({{"run", TRY(WithItsOwn(rooms, TRY(Json::Parse(RunText(run)))))}});
}

Result<Json> GetRuns(Rooms& rooms, const Call& call) {
  Json answer = TRY(Json::Parse(TRY(SearchRuns(rooms, call))));
  Json runs = Json::MakeArray();
  for (const Json& run : answer.Find("runs")->AsArray()) runs.Append(TRY(WithItsOwn(rooms, run)));
  answer.Set("runs", std::move(runs));
  return answer;
}

Result<Json> GetExperiment(Rooms& rooms, const Call& call) {
  const tracking::Experiment experiment =
      TRY(rooms.tracking.GetExperiment(TRY(RequireText(call.fields, "experiment_id"))));
  return Json::MakeObject({{"experiment", ExperimentJson(experiment)}});
}

Result<Json> Resolve(Rooms& rooms, const std::string& name, const Call& call) {
  if (name == "mlflowGetRun") return GetRun(rooms, call);
  if (name == "mlflowSearchRuns") return GetRuns(rooms, call);
  if (name == "mlflowGetExperiment") return GetExperiment(rooms, call);
  if (name == "mlflowSearchModelVersions") return SearchModelVersions(rooms, call);
  if (name == "mlflowSearchDatasets") return SearchDatasets(rooms, call);
  if (name == "mlflowListArtifacts") return ListArtifactsOfRun(rooms, call);
  if (name == "mlflowGetMetricHistoryBulkInterval") return HistoryBulkInterval(rooms, call);
  return base::InvalidArgument("query", "Cannot query field '" + name + "' on type 'Query'.");
}

// The variable's object with its keys as the REST routes have them.
Json FieldsOf(const Json* variables, const std::string& variable) {
  Json fields = Json::MakeObject();
  const Json* input = variables != nullptr ? variables->Find(variable) : nullptr;
  if (input == nullptr || !input->is_object()) return fields;
  for (const auto& [key, value] : input->AsObject()) fields.Set(SnakeOf(key), value);
  return fields;
}

Result<Json> Execute(Rooms& rooms, const net::HttpRequest& request) {
  const Call asked = TRY(DecodeCall(request));
  const std::vector<Field> fields = TRY(ParseGraphql(TRY(RequireText(asked.fields, "query"))));
  const Json* variables = asked.fields.Find("variables");
  if (variables != nullptr && !variables->is_object()) variables = nullptr;
  Json data = Json::MakeObject();
  Json errors = Json::MakeArray();
  for (const Field& field : fields) {
    const Call call{request, FieldsOf(variables, field.variable), asked.actor};
    const Result<Json> answer = Resolve(rooms, field.name, call);
    data.Set(field.answer_name, answer.ok() ? Project(field, *answer) : Json());
    if (!answer.ok()) errors.Append(Json::MakeObject({{"message", answer.status().message()}}));
  }
  Json answer = Json::MakeObject({{"data", std::move(data)}});
  if (!errors.AsArray().empty()) answer.Set("errors", std::move(errors));
  return answer;
}

}  // namespace

void AddGraphqlRoute(Routes& routes) {
  for (const char* path : {"/graphql", "/mlflow/graphql"}) {
    routes.router().AddBlocking("POST", path, [rooms = routes.rooms()](net::HttpRequest& request) {
      const Result<Json> answer = Execute(*rooms, request);
      return answer.ok() ? net::HttpResponse::Json(200, answer->Dump())
                         : ErrorResponse(answer.status());
    });
  }
}

}  // namespace slipway::api::mlflow
