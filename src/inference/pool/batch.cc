// SPDX-License-Identifier: Apache-2.0
// A prediction in a batch: its rows are put together with its neighbours' and taken out of the
// answer.
#include "inference/pool/batch.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "inference/tensor.h"

namespace slipway::inference::pool {
namespace {

bool SameForm(const NamedTensor& a, const NamedTensor& b) {
  const Shape& left = a.tensor.shape();
  const Shape& right = b.tensor.shape();
  return a.name == b.name && a.tensor.type() == b.tensor.type() && left.size() == right.size() &&
         std::equal(left.begin() + 1, left.end(), right.begin() + 1);
}

}  // namespace

bool HasRows(const Request& request) {
  if (request.inputs.empty()) return false;
  const int64_t rows = request.inputs.front().tensor.rows();
  return rows > 0 && std::ranges::all_of(request.inputs, [rows](const NamedTensor& input) {
           return !input.tensor.shape().empty() && input.tensor.rows() == rows;
         });
}

bool CanStack(const Request& a, const Request& b) {
  return !a.sequence && !b.sequence && a.outputs == b.outputs && a.parameters == b.parameters &&
         std::ranges::equal(a.inputs, b.inputs, SameForm);
}

base::Result<Request> Stack(std::span<const Request* const> requests) {
  Request stacked;
  stacked.outputs = requests.front()->outputs;
  stacked.parameters = requests.front()->parameters;
  std::vector<const Tensor*> parts(requests.size());
  for (size_t i = 0; i < requests.front()->inputs.size(); ++i) {
    for (size_t j = 0; j < requests.size(); ++j) parts[j] = &requests[j]->inputs[i].tensor;
    Tensor whole = TRY(Concatenate(std::span<const Tensor* const>(parts)));
    stacked.inputs.push_back({requests.front()->inputs[i].name, std::move(whole)});
  }
  return stacked;
}

Request SliceRows(const Request& request, int64_t begin, int64_t end) {
  Request part;
  part.outputs = request.outputs;
  part.parameters = request.parameters;
  part.inputs.reserve(request.inputs.size());
  for (const NamedTensor& input : request.inputs)
    part.inputs.push_back({input.name, input.tensor.Slice(begin, end)});
  return part;
}

Response SliceRows(const Response& response, int64_t begin, int64_t end) {
  Response part;
  part.parameters = response.parameters;
  part.outputs.reserve(response.outputs.size());
  for (const NamedTensor& output : response.outputs) {
    part.outputs.push_back({output.name, output.tensor.Slice(begin, end), output.labels});
  }
  return part;
}

Tensor OwnCopy(const Tensor& tensor) {
  if (tensor.type() == DataType::kString) return tensor;
  Tensor copy(tensor.type(), tensor.shape());
  std::ranges::copy(tensor.bytes(), copy.mutable_bytes().begin());
  return copy;
}

bool GivesRows(const Response& response, int64_t rows) {
  return std::ranges::all_of(response.outputs, [rows](const NamedTensor& output) {
    return !output.tensor.shape().empty() && output.tensor.rows() == rows;
  });
}

base::Result<Response> Join(std::span<const Response> parts) {
  const auto ragged = [](const std::string& name) {
    return base::Status(
        base::Code::kUnimplemented, "ragged_output",
        "output '" + name + "' has another shape in each part of the split request");
  };
  Response whole;
  whole.parameters = parts.front().parameters;
  for (size_t i = 0; i < parts.front().outputs.size(); ++i) {
    const NamedTensor& first = parts.front().outputs[i];
    std::vector<const Tensor*> tensors;
    for (const Response& part : parts) {
      if (i >= part.outputs.size()) return ragged(first.name);
      tensors.push_back(&part.outputs[i].tensor);
    }
    auto joined = Concatenate(std::span<const Tensor* const>(tensors));
    if (!joined.ok()) return ragged(first.name);
    whole.outputs.push_back({first.name, std::move(*joined), first.labels});
  }
  return whole;
}

}  // namespace slipway::inference::pool
