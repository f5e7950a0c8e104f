// SPDX-License-Identifier: Apache-2.0
// Our values in MLflow's JSON (protobuf's JSON names; enums as their names, 64-bit integers as
// numbers).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "registry/registry.h"
#include "storage/blobs.h"
#include "tracking/tracking.h"

namespace slipway::api::mlflow {

base::Json ExperimentJson(const tracking::Experiment& experiment);
base::Json RunInfoJson(const tracking::RunInfo& info);
// A run as JSON text, without a tree in between: a page has thousands.
void AppendRun(std::string& out, const tracking::Run& run);
std::string RunText(const tracking::Run& run);
base::Json MetricJson(const tracking::Metric& metric);  // NaN as the text "NaN"
base::Json LoggedModelJson(const tracking::LoggedModel& model);
base::Json TagsJson(const std::map<std::string, std::string>& tags);
base::Json ParamsJson(const std::vector<tracking::Param>& params);
base::Json VersionJson(const registry::Version& version);
// `versions`: all of the model's, numbers rising; of them the newest of each stage go into
// latest_versions.
base::Json ModelJson(const registry::Model& model, const std::vector<registry::Version>& versions);
// The newest version of each stage.
std::vector<registry::Version> LatestOfEachStage(const std::vector<registry::Version>& versions);

}  // namespace slipway::api::mlflow
