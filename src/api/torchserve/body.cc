// SPDX-License-Identifier: Apache-2.0
// A prediction by TorchServe's protocol: bodies.
#include "api/torchserve/body.h"

#include <algorithm>
#include <cctype>
#include <utility>
#include <vector>

#include "base/json.h"
#include "inference/json_tensors.h"

namespace slipway::api::torchserve {
namespace {

using base::InvalidArgument;
using base::Json;
using inference::ModelDescription;
using inference::NamedTensor;
using inference::Request;
using inference::Tensor;

std::string Lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

// The value of `name="..."` (or name=...) in a header's parameters; empty when absent.
std::string_view ParameterOf(std::string_view header, std::string_view name) {
  size_t at = Lower(header).find(std::string(name) + "=");
  while (at != std::string_view::npos && at > 0 && header[at - 1] != ' ' && header[at - 1] != ';')
    at = Lower(header).find(std::string(name) + "=", at + 1);
  if (at == std::string_view::npos) return {};
  std::string_view rest = header.substr(at + name.size() + 1);
  if (rest.starts_with('"')) return rest.substr(1, rest.substr(1).find('"'));
  return rest.substr(0, rest.find_first_of("; \r\n"));
}

struct Part {
  std::string_view content;
  bool json = false;
};

// The part named `data` or `body` of a multipart form.
base::Result<Part> DataPart(std::string_view body, std::string_view content_type) {
  const std::string_view boundary = ParameterOf(content_type, "boundary");
  if (boundary.empty()) return InvalidArgument("Content-Type", "a form without its boundary");
  const std::string line = "--" + std::string(boundary);
  size_t at = body.find(line);
  for (size_t parts = 0; at != std::string_view::npos && parts < kMaxParts; ++parts) {
    const size_t begin = body.find("\r\n", at);
    const size_t head = begin == std::string_view::npos ? begin : body.find("\r\n\r\n", begin);
    const size_t next = head == std::string_view::npos ? head : body.find("\r\n" + line, head);
    if (next == std::string_view::npos) break;
    const std::string_view headers = body.substr(begin, head - begin);
    const std::string_view name = ParameterOf(headers, "name");
    if (name == "data" || name == "body") {
      return Part{body.substr(head + 4, next - head - 4),
                  Lower(headers).find("application/json") != std::string::npos};
    }
    at = next + 2;
  }
  return InvalidArgument("data", "the form has no part of this name");
}

base::Result<Request> BytesRequest(std::string_view bytes, const ModelDescription& description) {
  if (description.inputs.size() != 1 ||
      description.inputs[0].type != inference::DataType::kString) {
    return InvalidArgument("body",
                           "the model takes tensors and no bytes: send application/json, an object "
                           "by feature name or the value of its only input");
  }
  Request request;
  request.inputs.push_back(
      {description.inputs[0].name, Tensor::Strings({1}, {std::string(bytes)})});
  return request;
}

base::Result<PredictionBody> FromJson(std::string_view text, const ModelDescription& description) {
  Json json = TRY(inference::ParseJsonBody(text));
  PredictionBody body;
  if (const Json* instances = json.Find("instances"); instances && json.AsObject().size() == 1) {
    if (!instances->is_array() || instances->AsArray().empty())
      return InvalidArgument("instances", "expected an array of at least one item");
    body.many = true;
    body.request = instances->AsArray()[0].is_object()
                       ? TRY(inference::RequestFromRecords(*instances, "instances", description))
                       : TRY(inference::RequestFromArray(*instances, "instances", description));
    return body;
  }
  if (Json* data = json.Find("data"); data != nullptr && json.AsObject().size() == 1) {
    Json item = std::move(*data);
    json = std::move(item);
  }
  const bool record = json.is_object();
  const Json one = Json::MakeArray({std::move(json)});
  body.request = record ? TRY(inference::RequestFromRecords(one, "body", description))
                        : TRY(inference::RequestFromArray(one, "body", description));
  return body;
}

void AppendItem(std::string& out, const std::vector<NamedTensor>& outputs, int64_t row) {
  if (outputs.size() == 1) return inference::AppendRowJson(out, outputs[0].tensor, row, true);
  inference::AppendRecordJson(out, outputs, row);
}

}  // namespace

base::Result<PredictionBody> DecodePrediction(std::string_view body, std::string_view content_type,
                                              const ModelDescription& description) {
  const std::string type = Lower(content_type.substr(0, content_type.find(';')));
  const bool bytes_model =
      description.inputs.size() == 1 && description.inputs[0].type == inference::DataType::kString;
  if (type == "multipart/form-data") {
    const Part part = TRY(DataPart(body, content_type));
    if (part.json || !bytes_model) return FromJson(part.content, description);
    return PredictionBody{TRY(BytesRequest(part.content, description))};
  }
  // What says nothing of its type (curl -T, -d) is JSON where the model takes tensors.
  const bool untyped = type.empty() || type == "application/x-www-form-urlencoded" ||
                       type == "application/octet-stream";
  if (type == "application/json" || (untyped && !bytes_model)) return FromJson(body, description);
  return PredictionBody{TRY(BytesRequest(body, description))};
}

base::Result<std::string> EncodePrediction(const std::vector<NamedTensor>& outputs, bool many) {
  const int64_t rows = outputs.empty() ? 0 : outputs[0].tensor.rows();
  for (const NamedTensor& output : outputs) {
    if (output.tensor.rows() != rows || (!many && rows != 1)) {
      return base::Status(base::Code::kUnimplemented, "ragged_output",
                          "output '" + output.name + "' has no value for each item");
    }
  }
  std::string out = many ? "{\"predictions\":[" : "";
  for (int64_t row = 0; row < rows; ++row) {
    if (row > 0) out += ',';
    AppendItem(out, outputs, row);
  }
  return many ? out + "]}" : out;
}

}  // namespace slipway::api::torchserve
