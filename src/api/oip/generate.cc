// SPDX-License-Identifier: Apache-2.0
// A prediction as the generate extension writes it.
#include "api/oip/generate.h"

#include <algorithm>
#include <utility>

#include "base/json.h"
#include "inference/json_tensors.h"

namespace slipway::api::oip {
namespace {

using base::InvalidArgument;
using base::Json;
using base::Status;
using inference::Shape;
using inference::Tensor;

const inference::TensorSpec* FindInput(const inference::ModelDescription& description,
                                       std::string_view name) {
  const auto found = std::find_if(description.inputs.begin(), description.inputs.end(),
                                  [&](const auto& input) { return input.name == name; });
  return found == description.inputs.end() ? nullptr : &*found;
}

// The elements in the shape that the model wants: one row, and its free dimension as long as that
// makes it.
base::Result<Tensor> Fitted(const Tensor& given, const inference::TensorSpec& spec,
                            const std::string& field) {
  if (spec.any_rank) return given;
  Shape shape = spec.shape;
  if (shape.size() > 1 && shape[0] < 0) shape[0] = 1;
  int64_t known = 1;
  int64_t* free = nullptr;
  for (int64_t& size : shape) {
    if (size >= 0) {
      known *= size;
    } else if (free == nullptr) {
      free = &size;
    } else {
      return InvalidArgument(field, "the model leaves several of its dimensions open: call infer");
    }
  }
  if (free != nullptr) *free = known > 0 ? given.element_count() / known : 0;
  auto tensor = given.Reshape(std::move(shape));
  if (tensor.ok()) return tensor;
  return InvalidArgument(field, "has " + std::to_string(given.element_count()) +
                                    " elements, which do not fill the model's shape");
}

Status TakeParameter(const std::string& name, const Json& value, InferCall& out) {
  if (value.is_null()) return Status::Ok();
  if (value.is_bool()) return SetParameter(name, value.AsBool(), out);
  if (value.is_int()) return SetParameter(name, value.AsInt(), out);
  if (value.is_number()) return SetParameter(name, value.AsDouble(), out);
  if (value.is_string()) return SetParameter(name, value.AsString(), out);
  return InvalidArgument("parameters." + name, "expected a boolean, a number or a string, got " +
                                                   std::string(value.TypeName()));
}

Status TakeParameters(const Json& parameters, InferCall& out) {
  if (!parameters.is_object()) {
    return InvalidArgument("parameters",
                           "expected an object, got " + std::string(parameters.TypeName()));
  }
  for (const auto& [name, value] : parameters.AsObject()) TRY(TakeParameter(name, value, out));
  return Status::Ok();
}

}  // namespace

base::Result<InferCall> DecodeGenerate(std::string_view body,
                                       const inference::ModelDescription& description) {
  const Json json = TRY(inference::ParseJsonBody(body));
  if (!json.is_object())
    return InvalidArgument("body", "expected an object, got " + std::string(json.TypeName()));
  InferCall out;
  for (const auto& [name, value] : json.AsObject()) {
    if (const auto* spec = FindInput(description, name); spec != nullptr) {
      const Tensor given = TRY(inference::TensorFromJson(value, name));
      out.call.request.inputs.push_back({name, TRY(Fitted(given, *spec, name))});
    } else if (name == "parameters") {
      TRY(TakeParameters(value, out));
    } else if (name == "id") {
      if (!value.is_string()) return InvalidArgument("id", "expected a string");
      out.call.request_id = value.AsString();
    } else {
      TRY(TakeParameter(name, value, out));
    }
  }
  TRY(CheckParameters(out));
  for (const auto& input : description.inputs) {
    if (json.Find(input.name) == nullptr) return InvalidArgument(input.name, "missing");
  }
  return out;
}

std::string EncodeGenerate(const std::string& id, const std::string& endpoint,
                           const serving::PredictAnswer& answer) {
  std::string out = "{\"model_name\":";
  base::AppendJsonString(out, endpoint);
  out += ",\"model_version\":\"" + std::to_string(answer.version) + "\",\"prediction_id\":";
  base::AppendJsonString(out, answer.prediction_id);
  if (!id.empty()) {
    out += ",\"id\":";
    base::AppendJsonString(out, id);
  }
  for (const inference::NamedTensor& output : answer.response.outputs) {
    out += ',';
    base::AppendJsonString(out, output.name);
    out += ':';
    const int64_t count = output.tensor.element_count();
    if (count != 1) out += '[';
    for (int64_t i = 0; i < count; ++i) {
      if (i > 0) out += ',';
      inference::AppendElementJson(out, output.tensor, i);
    }
    if (count != 1) out += ']';
  }
  return out + "}";
}

}  // namespace slipway::api::oip
