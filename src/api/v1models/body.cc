// SPDX-License-Identifier: Apache-2.0
// A prediction over /v1/models: rows, columns and examples to tensors, and back.
#include "api/v1models/body.h"

#include <initializer_list>
#include <utility>
#include <vector>

#include "base/json.h"
#include "inference/class_scores.h"
#include "inference/json_tensors.h"

namespace slipway::api::v1models {
namespace {

using base::InvalidArgument;
using base::Json;
using base::Status;
using inference::ModelDescription;
using inference::NamedTensor;
using inference::Request;

base::Result<Json> ParseObject(std::string_view body) {
  Json json = TRY(inference::ParseJsonBody(body));
  if (!json.is_object())
    return InvalidArgument("body", "expected an object, got " + std::string(json.TypeName()));
  return json;
}

Status CheckSignature(const Json& body) {
  const auto name = TRY(base::OptionalString(body, "signature_name"));
  if (!name || name->empty() || *name == "serving_default") return Status::Ok();
  return InvalidArgument("signature_name",
                         "the model has no signature '" + *name + "'; it has serving_default");
}

base::Result<Request> FromInstances(const Json& instances, const ModelDescription& description) {
  if (!instances.is_array() || instances.AsArray().empty())
    return InvalidArgument("instances", "expected an array of at least one row");
  const Json& first = instances.AsArray()[0];
  const bool bytes = first.is_object() && first.AsObject().size() == 1 && first.Find("b64");
  if (first.is_object() && !bytes)
    return inference::RequestFromRecords(instances, "instances", description);
  return inference::RequestFromArray(instances, "instances", description);
}

base::Result<Request> FromInputs(const Json& inputs, const ModelDescription& description) {
  const bool bytes = inputs.is_object() && inputs.AsObject().size() == 1 && inputs.Find("b64");
  if (inputs.is_object() && !bytes)
    return inference::RequestFromNamedArrays(inputs, "inputs", description);
  return inference::RequestFromArray(inputs, "inputs", description);
}

inference::JsonStyle StyleOf(const NamedTensor& output) {
  return {.base64 = output.name.ends_with("_bytes")};
}

void AppendNamed(std::string& out, const NamedTensor& output, bool first) {
  if (!first) out += ',';
  base::AppendJsonString(out, output.name);
  out += ':';
}

}  // namespace

base::Result<PredictBody> DecodePredict(std::string_view body,
                                        const ModelDescription& description) {
  const Json json = TRY(ParseObject(body));
  TRY(base::RequireOnly(json, {"signature_name", "instances", "inputs", "parameters"}));
  TRY(CheckSignature(json));
  const Json* instances = json.Find("instances");
  const Json* inputs = json.Find("inputs");
  if ((instances == nullptr) == (inputs == nullptr)) {
    return InvalidArgument(instances == nullptr ? "instances" : "inputs",
                           "expected exactly one of instances and inputs");
  }
  PredictBody predict;
  predict.by_column = inputs != nullptr;
  predict.request = predict.by_column ? TRY(FromInputs(*inputs, description))
                                      : TRY(FromInstances(*instances, description));
  return predict;
}

base::Result<Request> DecodeExamples(std::string_view body, const ModelDescription& description) {
  Json json = TRY(ParseObject(body));
  TRY(base::RequireOnly(json, {"signature_name", "context", "examples"}));
  TRY(CheckSignature(json));
  Json* examples = json.Find("examples");
  if (examples == nullptr || !examples->is_array() || examples->AsArray().empty())
    return InvalidArgument("examples", "expected an array of at least one object");
  if (const Json* context = json.Find("context")) {
    if (!context->is_object()) return InvalidArgument("context", "expected an object of features");
    for (Json& example : examples->AsArray()) {
      if (!example.is_object()) break;  // said by the reader of the examples
      for (const auto& [name, value] : context->AsObject()) {
        if (example.Find(name) == nullptr) example.Set(name, value);
      }
    }
  }
  return inference::RequestFromRecords(*examples, "examples", description);
}

base::Result<std::string> EncodePredict(const std::vector<NamedTensor>& outputs, bool by_column) {
  if (by_column) {
    std::string out = "{\"outputs\":";
    if (outputs.size() == 1) {
      inference::AppendTensorJson(out, outputs[0].tensor, StyleOf(outputs[0]));
      return out + "}";
    }
    out += '{';
    for (const NamedTensor& output : outputs) {
      AppendNamed(out, output, &output == outputs.data());
      inference::AppendTensorJson(out, output.tensor, StyleOf(output));
    }
    return out + "}}";
  }
  const int64_t rows = outputs.empty() ? 0 : outputs[0].tensor.rows();
  for (const NamedTensor& output : outputs) {
    if (output.tensor.shape().empty() || output.tensor.rows() != rows) {
      return InvalidArgument(
          "instances", "output '" + output.name + "' has no item for each instance: send `inputs`");
    }
  }
  std::string out = "{\"predictions\":[";
  for (int64_t row = 0; row < rows; ++row) {
    if (row > 0) out += ',';
    if (outputs.size() > 1) out += '{';
    for (const NamedTensor& output : outputs) {
      if (outputs.size() > 1) AppendNamed(out, output, &output == outputs.data());
      inference::AppendRowJson(out, output.tensor, row, false, StyleOf(output));
    }
    if (outputs.size() > 1) out += '}';
  }
  return out + "]}";
}

base::Result<std::string> EncodeClassify(const std::vector<NamedTensor>& outputs,
                                         const inference::ModelConfig& config) {
  const auto scores = TRY(inference::ClassScores::Find(outputs, config));
  std::string out = "{\"result\":[";
  for (int64_t row = 0; row < scores.rows(); ++row) {
    out += row > 0 ? ",[" : "[";
    for (int64_t column = 0; column < scores.classes(); ++column) {
      out += column > 0 ? ",[" : "[";
      base::AppendJsonString(out, scores.Label(row, column));
      out += ',';
      inference::AppendElementJson(out, scores.tensor(), scores.IndexOf(row, column));
      out += ']';
    }
    out += ']';
  }
  return out + "]}";
}

base::Result<std::string> EncodeRegress(const std::vector<NamedTensor>& outputs) {
  const inference::Tensor* value = TRY(inference::FindRegression(outputs));
  std::string out = "{\"result\":[";
  for (int64_t row = 0; row < value->rows(); ++row) {
    if (row > 0) out += ',';
    inference::AppendElementJson(out, *value, row);
  }
  return out + "]}";
}

}  // namespace slipway::api::v1models
