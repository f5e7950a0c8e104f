// SPDX-License-Identifier: Apache-2.0
// A prediction by MLflow's protocol: its JSON becomes columns or tensors.
#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "api/invocations/body.h"
#include "base/json.h"
#include "inference/columns.h"
#include "inference/json_tensors.h"

namespace slipway::api::invocations {
namespace {

using base::InvalidArgument;
using base::Json;
using base::Status;
using inference::Column;
using inference::ModelDescription;
using inference::Request;

constexpr std::array<std::string_view, 4> kForms = {"dataframe_split", "dataframe_records",
                                                    "instances", "inputs"};

base::Result<Request> FromSplit(const Json& split, const ModelDescription& description) {
  if (!split.is_object())
    return InvalidArgument("dataframe_split", "expected an object with columns and data");
  const std::vector<Column> columns = TRY(inference::ColumnsFromSplit(split, "dataframe_split"));
  if (columns[0].size() == 0)
    return InvalidArgument("dataframe_split.data", "expected at least one row");
  return inference::RequestFromColumns(columns, description);
}

base::Result<Request> FromInstances(const Json& value, const ModelDescription& description) {
  if (!value.is_array() || value.AsArray().empty())
    return InvalidArgument("instances", "expected an array of at least one row");
  if (value.AsArray()[0].is_object())
    return inference::RequestFromRecords(value, "instances", description);
  return inference::RequestFromArray(value, "instances", description);
}

base::Result<Request> FromInputs(const Json& value, const ModelDescription& description) {
  if (value.is_object()) return inference::RequestFromNamedArrays(value, "inputs", description);
  if (!value.is_array())
    return InvalidArgument("inputs", "expected an array, or an object of arrays, got " +
                                         std::string(value.TypeName()));
  return inference::RequestFromArray(value, "inputs", description);
}

// MLflow's `params`: for models that read them; others let them be.
Status ReadParameters(const Json& value, inference::Parameters& parameters) {
  if (value.is_null()) return Status::Ok();
  if (!value.is_object())
    return InvalidArgument("params", "expected an object, got " + std::string(value.TypeName()));
  for (const auto& [name, one] : value.AsObject()) {
    if (one.is_bool()) {
      parameters[name] = one.AsBool();
    } else if (one.is_int()) {
      parameters[name] = one.AsInt();
    } else if (one.is_number()) {
      parameters[name] = one.AsDouble();
    } else if (one.is_string()) {
      parameters[name] = one.AsString();
    } else if (!one.is_null()) {
      return InvalidArgument("params." + name, "expected a number, a string or a boolean, got " +
                                                   std::string(one.TypeName()));
    }
  }
  return Status::Ok();
}

base::Result<Request> DecodeForm(std::string_view form, const Json& value,
                                 const ModelDescription& description) {
  if (form == "dataframe_split") return FromSplit(value, description);
  if (form == "dataframe_records")
    return inference::RequestFromRecords(value, "dataframe_records", description);
  return form == "instances" ? FromInstances(value, description) : FromInputs(value, description);
}

}  // namespace

base::Result<Request> DecodeJson(std::string_view body, const ModelDescription& description) {
  const Json json = TRY(inference::ParseJsonBody(body));
  if (!json.is_object())
    return InvalidArgument("body", "expected an object, got " + std::string(json.TypeName()));
  std::string_view form;
  inference::Parameters parameters;
  for (const auto& [key, value] : json.AsObject()) {
    if (key == "params") {
      TRY(ReadParameters(value, parameters));
    } else if (std::find(kForms.begin(), kForms.end(), key) == kForms.end()) {
      return InvalidArgument(
          key,
          "is not known; expected one of dataframe_split, dataframe_records, instances, inputs");
    } else if (!form.empty()) {
      return InvalidArgument(
          key, "stands beside " + std::string(form) + "; expected exactly one of the two");
    } else {
      form = key;
    }
  }
  if (form.empty()) {
    return InvalidArgument("body",
                           "expected one of dataframe_split, dataframe_records, instances, inputs");
  }
  Request request = TRY(DecodeForm(form, *json.Find(form), description));
  request.parameters = std::move(parameters);
  return request;
}

}  // namespace slipway::api::invocations
