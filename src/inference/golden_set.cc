// SPDX-License-Identifier: Apache-2.0
// `slipway check`: what a model answers to a golden set.
#include "inference/golden_set.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "inference/compare.h"
#include "inference/runtime.h"
#include "inference/tensor.h"

namespace slipway::inference {
namespace {

using base::InvalidArgument;
using base::Json;

constexpr std::string_view kInputs = "inputs.", kOutputs = "outputs.";

bool Has(const std::vector<TensorSpec>& specs, std::string_view name) {
  return std::ranges::find(specs, name, &TensorSpec::name) != specs.end();
}

std::string Names(const std::vector<TensorSpec>& specs) {
  std::string names;
  for (const TensorSpec& spec : specs) names += (names.empty() ? "" : ", ") + spec.name;
  return names;
}

const NamedTensor* Find(const std::vector<NamedTensor>& outputs, const std::string& name) {
  const auto found = std::ranges::find(outputs, name, &NamedTensor::name);
  return found == outputs.end() ? nullptr : &*found;
}

Json ValuesOf(const Tensor& tensor, int64_t row) {
  const int64_t width = tensor.rows() > 0 ? tensor.element_count() / tensor.rows() : 0;
  Json values = Json::MakeArray();
  for (int64_t i = row * width; i < row * width + std::min(width, kMostShownValues); ++i) {
    if (tensor.type() == DataType::kString) {
      values.Append(tensor.strings()[static_cast<size_t>(i)]);
    } else {
      values.Append(tensor.NumberAt(i));
    }
  }
  return values;
}

Json OutputJson(const OutputComparison& output, const Tensor* expected, const Tensor* actual) {
  Json worst = Json::MakeArray();
  for (const int64_t row : output.worst_rows) {
    Json one = Json::MakeObject({{"row", row}});
    if (expected != nullptr) one.Set("expected", ValuesOf(*expected, row));
    if (actual != nullptr) one.Set("actual", ValuesOf(*actual, row));
    worst.Append(std::move(one));
  }
  return Json::MakeObject({{"name", output.name},
                           {"equal", output.equal},
                           {"difference", output.difference},
                           {"values_different", output.values_different},
                           {"max_absolute_difference", output.max_absolute_difference},
                           {"worst_rows", std::move(worst)}});
}

// Every input, of equal rows where rows are stacked, and at least one output.
base::Status CheckComplete(const GoldenSet& golden, const ModelDescription& description) {
  for (const TensorSpec& spec : description.inputs) {
    if (Find(golden.request.inputs, spec.name) == nullptr)
      return InvalidArgument(spec.name, "the golden set has no array for this input");
  }
  const Tensor& first = golden.request.inputs.front().tensor;
  for (const NamedTensor& input : golden.request.inputs) {
    if (description.batchable && input.tensor.rows() != first.rows()) {
      return InvalidArgument("inputs." + input.name, "has " + std::to_string(input.tensor.rows()) +
                                                         " rows, '" +
                                                         golden.request.inputs.front().name +
                                                         "' has " + std::to_string(first.rows()));
    }
  }
  if (golden.expected.outputs.empty()) {
    return InvalidArgument("npz", "the golden set has no array for any output; the model gives " +
                                      Names(description.outputs));
  }
  return base::Status::Ok();
}

}  // namespace

base::Result<GoldenSet> GoldenFromArrays(std::vector<NamedTensor> arrays,
                                         const ModelDescription& description) {
  GoldenSet golden;
  for (NamedTensor& array : arrays) {
    bool input = array.name.starts_with(kInputs);
    const bool output = array.name.starts_with(kOutputs);
    std::string name = array.name;
    if (input || output) {
      name = name.substr(input ? kInputs.size() : kOutputs.size());
    } else {
      input = Has(description.inputs, name);
      if (input && Has(description.outputs, name)) {
        return InvalidArgument(
            array.name, "the model has an input and an output of this name: call it inputs." +
                            name + " or outputs." + name);
      }
    }
    if (!Has(input ? description.inputs : description.outputs, name)) {
      return InvalidArgument(array.name, "the model has no such input or output; it takes " +
                                             Names(description.inputs) + " and gives " +
                                             Names(description.outputs));
    }
    (input ? golden.request.inputs : golden.expected.outputs)
        .push_back({name, std::move(array.tensor)});
  }
  TRY(CheckComplete(golden, description));
  for (const NamedTensor& output : golden.expected.outputs)
    golden.request.outputs.push_back(output.name);
  return golden;
}

Comparison CheckGolden(const GoldenSet& golden, const Response& actual,
                       const CheckOptions& options) {
  return options.bitwise
             ? CompareBitwise(golden.expected, actual)
             : CompareOutputs(golden.expected, actual, options.absolute, options.relative);
}

Json CheckJson(const GoldenSet& golden, const Response& actual, const Comparison& comparison) {
  Json outputs = Json::MakeArray();
  for (const OutputComparison& output : comparison.outputs) {
    const NamedTensor* expected = Find(golden.expected.outputs, output.name);
    const NamedTensor* got = Find(actual.outputs, output.name);
    outputs.Append(OutputJson(output, expected == nullptr ? nullptr : &expected->tensor,
                              got == nullptr ? nullptr : &got->tensor));
  }
  return Json::MakeObject({{"equal", comparison.equal},
                           {"rows", golden.request.inputs.front().tensor.rows()},
                           {"outputs", std::move(outputs)}});
}

}  // namespace slipway::inference
