// SPDX-License-Identifier: Apache-2.0
// A prediction, before it runs: its inputs are held against what the model takes.
#include "inference/request_check.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/status.h"
#include "inference/runtime.h"
#include "inference/tensor.h"

namespace slipway::inference {
namespace {

std::string Place(size_t index, std::string_view part) {
  return "inputs[" + std::to_string(index) + "]" + std::string(part);
}

std::string InputNames(const ModelDescription& description) {
  std::string names;
  for (const TensorSpec& spec : description.inputs) {
    if (!names.empty()) names += ", ";
    names += "'" + spec.name + "' " + FormatSpec(spec);
  }
  return names.empty() ? "none" : names;
}

bool ShapeFits(const TensorSpec& spec, const Shape& shape) {
  if (spec.any_rank) return true;
  return std::equal(spec.shape.begin(), spec.shape.end(), shape.begin(), shape.end(),
                    [](int64_t wanted, int64_t got) { return wanted < 0 || wanted == got; });
}

base::Status CheckInput(const TensorSpec& spec, const Tensor& tensor, size_t index) {
  if (tensor.type() != spec.type &&
      std::ranges::find(spec.also, tensor.type()) == spec.also.end()) {
    return base::InvalidArgument(Place(index, ".datatype"),
                                 "input '" + spec.name + "' is " +
                                     std::string(DataTypeName(spec.type)) + ", got " +
                                     std::string(DataTypeName(tensor.type())),
                                 "wrong_datatype");
  }
  if (!ShapeFits(spec, tensor.shape())) {
    return base::InvalidArgument(Place(index, ".shape"),
                                 "input '" + spec.name + "' has shape " + FormatShape(spec.shape) +
                                     ", got " + FormatShape(tensor.shape()),
                                 "wrong_shape");
  }
  if (tensor.type() == DataType::kBool) {
    // Another value in a C++ bool is undefined behaviour inside the runtime.
    const auto bytes = tensor.bytes();
    if (std::any_of(bytes.begin(), bytes.end(),
                    [](std::byte value) { return value > std::byte{1}; })) {
      return base::InvalidArgument(Place(index, ".data"),
                                   "input '" + spec.name + "' is BOOL: its bytes are 0 or 1",
                                   "wrong_data");
    }
  }
  return base::Status::Ok();
}

// The input's place in the description; the usual case, the same order, is tried first.
size_t FindInput(const ModelDescription& description, const std::string& name, size_t guess) {
  const auto& inputs = description.inputs;
  if (guess < inputs.size() && inputs[guess].name == name) return guess;
  const auto found = std::find_if(inputs.begin(), inputs.end(),
                                  [&](const TensorSpec& spec) { return spec.name == name; });
  return static_cast<size_t>(found - inputs.begin());
}

base::Status CheckNoneMissing(const ModelDescription& description, const Request& request) {
  for (const TensorSpec& spec : description.inputs) {
    const bool given =
        std::any_of(request.inputs.begin(), request.inputs.end(),
                    [&](const NamedTensor& input) { return input.name == spec.name; });
    if (!given) {
      return base::InvalidArgument("inputs",
                                   "input '" + spec.name + "' " + FormatSpec(spec) + " is missing",
                                   "missing_input");
    }
  }
  return base::Status::Ok();
}

}  // namespace

std::string FormatShape(const Shape& shape) {
  std::string text = "[";
  for (const int64_t dimension : shape) {
    if (text.size() > 1) text += ", ";
    text += std::to_string(dimension);
  }
  return text + "]";
}

std::string FormatSpec(const TensorSpec& spec) {
  return std::string(DataTypeName(spec.type)) + " " +
         (spec.any_rank ? "of any shape" : FormatShape(spec.shape));
}

base::Status CheckRequest(const ModelDescription& description, const Request& request) {
  if (description.open) return base::Status::Ok();
  bool in_order = true;  // then no name can stand twice
  for (size_t i = 0; i < request.inputs.size(); ++i) {
    const NamedTensor& input = request.inputs[i];
    const size_t place = FindInput(description, input.name, i);
    if (place == description.inputs.size()) {
      return base::InvalidArgument(
          Place(i, ".name"),
          "the model has no input '" + input.name + "'; it takes " + InputNames(description),
          "unknown_input");
    }
    in_order = in_order && place == i;
    for (size_t j = 0; !in_order && j < i; ++j) {
      if (request.inputs[j].name == input.name) {
        return base::InvalidArgument(Place(i, ".name"), "input '" + input.name + "' is given twice",
                                     "duplicate_input");
      }
    }
    TRY(CheckInput(description.inputs[place], input.tensor, i));
  }
  if (request.inputs.size() != description.inputs.size())
    TRY(CheckNoneMissing(description, request));
  for (size_t i = 0; i < request.outputs.size(); ++i) {
    const auto& outputs = description.outputs;
    if (std::none_of(outputs.begin(), outputs.end(),
                     [&](const TensorSpec& spec) { return spec.name == request.outputs[i]; })) {
      std::string names;
      for (const TensorSpec& spec : outputs)
        names += (names.empty() ? "'" : ", '") + spec.name + "'";
      return base::InvalidArgument(
          "outputs[" + std::to_string(i) + "]",
          "the model has no output '" + request.outputs[i] + "'; it gives " + names,
          "unknown_output");
    }
  }
  return base::Status::Ok();
}

bool RowsAreFree(const ModelDescription& description) {
  const auto free_rows = [](const TensorSpec& spec) {
    return !spec.shape.empty() && spec.shape[0] < 0;
  };
  return !description.inputs.empty() && std::ranges::all_of(description.inputs, free_rows) &&
         std::ranges::all_of(description.outputs, [&](const TensorSpec& spec) {
           return spec.any_rank || free_rows(spec);
         });
}

Request ZeroRequest(const ModelDescription& description, int64_t rows) {
  Request request;
  for (const TensorSpec& spec : description.inputs) {
    Shape shape = spec.shape;
    for (size_t i = 0; i < shape.size(); ++i) {
      if (shape[i] < 0) shape[i] = i == 0 ? rows : 1;
    }
    request.inputs.push_back({spec.name, Tensor(spec.type, std::move(shape))});
  }
  return request;
}

}  // namespace slipway::inference
