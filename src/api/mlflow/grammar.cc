// SPDX-License-Identifier: Apache-2.0
// The vocabularies of MLflow's searches, as tables.
#include "api/mlflow/grammar.h"

#include <array>

#include "tracking/tracking.h"

namespace slipway::api::mlflow {
namespace {

using tracking::Entity;

constexpr std::array<PrefixRule, 14> kRunPrefixes = {{{"metrics", Entity::kMetric},
                                                      {"metric", Entity::kMetric},
                                                      {"params", Entity::kParam},
                                                      {"param", Entity::kParam},
                                                      {"parameters", Entity::kParam},
                                                      {"parameter", Entity::kParam},
                                                      {"tags", Entity::kTag},
                                                      {"tag", Entity::kTag},
                                                      {"attributes", Entity::kAttribute},
                                                      {"attribute", Entity::kAttribute},
                                                      {"attr", Entity::kAttribute},
                                                      {"run", Entity::kAttribute},
                                                      {"datasets", Entity::kDataset},
                                                      {"dataset", Entity::kDataset}}};
constexpr std::array<AttributeRule, 12> kRunAttributes = {
    {{.name = "run_id", .key = "run_id", .list = true},
     {.name = "run_name", .key = "run_name"},
     {.name = "run name", .key = "run_name", .in_order = false},
     {.name = "Run name", .key = "run_name", .in_order = false},
     {.name = "Run Name", .key = "run_name", .in_order = false},
     {.name = "status", .key = "status"},
     {.name = "user_id", .key = "user_id"},
     {.name = "artifact_uri", .key = "artifact_uri"},
     {.name = "start_time", .key = "start_time", .number = true},
     {.name = "created", .key = "start_time", .number = true},
     {.name = "Created", .key = "start_time", .number = true},
     {.name = "end_time", .key = "end_time", .number = true}}};

// Experiments, registered models and versions.
constexpr std::array<PrefixRule, 3> kTagPrefixes = {
    {{"attribute", Entity::kAttribute}, {"tags", Entity::kTag}, {"tag", Entity::kTag}}};
constexpr std::array<AttributeRule, 4> kExperimentAttributes = {
    {{.name = "name", .key = "name"},
     {.name = "experiment_id", .key = "experiment_id", .list = true},
     {.name = "creation_time", .key = "creation_time", .number = true},
     {.name = "last_update_time", .key = "last_update_time", .number = true}}};
constexpr std::array<AttributeRule, 3> kRegisteredModelAttributes = {
    {{.name = "name", .key = "name", .list = true},
     {.name = "timestamp", .key = "last_updated_timestamp", .in_filter = false},
     {.name = "last_updated_timestamp", .key = "last_updated_timestamp", .in_filter = false}}};
constexpr std::array<AttributeRule, 6> kVersionAttributes = {
    {{.name = "name", .key = "name", .list = true},
     {.name = "run_id", .key = "run_id", .list = true, .in_order = false},
     {.name = "source_path", .key = "source_path", .in_order = false},
     {.name = "version_number", .key = "version_number", .number = true},
     {.name = "creation_timestamp", .key = "creation_timestamp", .in_filter = false},
     {.name = "last_updated_timestamp", .key = "last_updated_timestamp", .in_filter = false}}};

constexpr std::array<PrefixRule, 4> kLoggedModelPrefixes = {{{"attributes", Entity::kAttribute},
                                                             {"metrics", Entity::kMetric},
                                                             {"params", Entity::kParam},
                                                             {"tags", Entity::kTag}}};
constexpr std::array<AttributeRule, 12> kLoggedModelAttributes = {
    {{.name = "name", .key = "name", .list = true},
     {.name = "model_id", .key = "model_id", .list = true},
     {.name = "model_type", .key = "model_type", .list = true},
     {.name = "status", .key = "status", .list = true},
     {.name = "source_run_id", .key = "source_run_id", .list = true},
     {.name = "experiment_id", .key = "experiment_id", .list = true},
     {.name = "creation_time", .key = "creation_timestamp", .number = true},
     {.name = "creation_timestamp", .key = "creation_timestamp", .number = true},
     {.name = "creation_timestamp_ms", .key = "creation_timestamp", .number = true},
     {.name = "last_updated_timestamp", .key = "last_updated_timestamp", .number = true},
     {.name = "last_updated_timestamp_ms", .key = "last_updated_timestamp", .number = true},
     {.name = "last_updated_time", .key = "last_updated_timestamp", .number = true}}};

constexpr std::array<PrefixRule, 7> kTracePrefixes = {{{"attributes", Entity::kAttribute},
                                                       {"attribute", Entity::kAttribute},
                                                       {"trace", Entity::kAttribute},
                                                       {"tags", Entity::kTag},
                                                       {"tag", Entity::kTag},
                                                       {"metadata", Entity::kParam},
                                                       {"request_metadata", Entity::kParam}}};
constexpr std::array<AttributeRule, 12> kTraceAttributes = {
    {{.name = "request_id", .key = "request_id", .list = true},
     {.name = "client_request_id", .key = "client_request_id", .list = true, .in_order = false},
     {.name = "status", .key = "status", .list = true},
     {.name = "experiment_id", .key = "experiment_id", .in_filter = false},
     {.name = "timestamp", .key = "timestamp_ms", .number = true},
     {.name = "timestamp_ms", .key = "timestamp_ms", .number = true},
     {.name = "execution_time", .key = "execution_time_ms", .number = true},
     {.name = "execution_time_ms", .key = "execution_time_ms", .number = true},
     {.name = "end_time", .key = "end_time_ms", .number = true},
     {.name = "end_time_ms", .key = "end_time_ms", .number = true},
     {.name = "name", .key = "mlflow.traceName", .list = true, .entity = Entity::kTag},
     {.name = "run_id", .key = "mlflow.sourceRun", .list = true, .entity = Entity::kParam}}};

}  // namespace

const Grammar& RunGrammar() {
  static const Grammar kGrammar = {.prefixes = kRunPrefixes,
                                   .attributes = kRunAttributes,
                                   .null_params = true,
                                   .null_tags = true,
                                   .order_values = true,
                                   .order_metrics = true};
  return kGrammar;
}

const Grammar& ExperimentGrammar() {
  static const Grammar kGrammar = {.prefixes = kTagPrefixes,
                                   .attributes = kExperimentAttributes,
                                   .any_case = false,
                                   .null_tags = true,
                                   .order_repeated = true};
  return kGrammar;
}

const Grammar& LoggedModelGrammar() {
  static const Grammar kGrammar = {.prefixes = kLoggedModelPrefixes,
                                   .attributes = kLoggedModelAttributes,
                                   .list_values = true,
                                   .order_metrics = true,
                                   .order_prefixed = false};
  return kGrammar;
}

const Grammar& RegisteredModelGrammar() {
  static const Grammar kGrammar = {
      .prefixes = kTagPrefixes, .attributes = kRegisteredModelAttributes, .order_prefixed = false};
  return kGrammar;
}

const Grammar& ModelVersionGrammar() {
  static const Grammar kGrammar = {
      .prefixes = kTagPrefixes, .attributes = kVersionAttributes, .quoted_numbers = true};
  return kGrammar;
}

const Grammar& TraceGrammar() {
  static const Grammar kGrammar = {.prefixes = kTracePrefixes,
                                   .attributes = kTraceAttributes,
                                   .null_params = true,
                                   .null_tags = true,
                                   .order_values = true};
  return kGrammar;
}

}  // namespace slipway::api::mlflow
