// SPDX-License-Identifier: Apache-2.0
// A prediction over TensorFlow Serving's gRPC: requests by tensor and by example, classes, numbers.
#include <algorithm>
#include <limits>
#include <map>
#include <utility>
#include <vector>

#include "api/tfserving/messages.h"
#include "api/tfserving/tfserving.pb.h"
#include "inference/class_scores.h"
#include "inference/columns.h"

namespace slipway::api::tfserving {
namespace {

using base::InvalidArgument;
using base::Status;
using inference::Request;
using inference::Tensor;

// One feature of all examples, row after row.
struct Gathered {
  wire::Feature::KindCase kind = wire::Feature::KIND_NOT_SET;
  int width = -1;  // values in each example
  std::vector<const wire::Feature*> rows;
};

int WidthOf(const wire::Feature& feature) {
  switch (feature.kind_case()) {
    case wire::Feature::kBytesList:
      return feature.bytes_list().value_size();
    case wire::Feature::kFloatList:
      return feature.float_list().value_size();
    case wire::Feature::kInt64List:
      return feature.int64_list().value_size();
    case wire::Feature::KIND_NOT_SET:
      break;
  }
  return 0;
}

Status Add(std::map<std::string, Gathered>& features, const std::string& name,
           const wire::Feature& feature, size_t row, size_t rows) {
  const int width = WidthOf(feature);
  if (width == 0) return Status::Ok();  // as if the example did not have it
  Gathered& gathered = features[name];
  const std::string field = "examples[" + std::to_string(row) + "]." + name;
  if (gathered.width >= 0 && gathered.width != width) {
    return InvalidArgument(field, "has " + std::to_string(width) + " values; other examples have " +
                                      std::to_string(gathered.width));
  }
  if (gathered.width >= 0 && gathered.kind != feature.kind_case())
    return InvalidArgument(field, "is of another type than in other examples");
  gathered.width = width;
  gathered.kind = feature.kind_case();
  gathered.rows.resize(rows);
  gathered.rows[row] = &feature;
  return Status::Ok();
}

// Values in row order; `missing` where an example lacks the feature.
template <typename To, typename Read>
std::vector<To> Values(const Gathered& gathered, const Read& read, const To& missing) {
  std::vector<To> values;
  for (const wire::Feature* feature : gathered.rows) {
    for (int i = 0; i < gathered.width; ++i)
      values.push_back(feature == nullptr ? missing : To(read(*feature, i)));
  }
  return values;
}

inference::Column ColumnOf(const std::string& name, const Gathered& gathered) {
  const bool complete = std::ranges::find(gathered.rows, nullptr) == gathered.rows.end();
  constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();
  if (gathered.kind == wire::Feature::kBytesList) {
    return {name, Values<std::string>(
                      gathered,
                      [](const wire::Feature& f, int i) { return f.bytes_list().value(i); }, "")};
  }
  if (gathered.kind == wire::Feature::kFloatList) {
    return {name,
            Values<double>(
                gathered, [](const wire::Feature& f, int i) { return f.float_list().value(i); },
                kMissing)};
  }
  const auto read = [](const wire::Feature& f, int i) { return f.int64_list().value(i); };
  if (complete) return {name, Values<int64_t>(gathered, read, 0)};
  return {name, Values<double>(gathered, read, kMissing)};
}

Tensor TensorOf(const inference::Column& column, int64_t rows, int64_t width) {
  return std::visit(
      [&](const auto& values) {
        using T = typename std::decay_t<decltype(values)>::value_type;
        return Tensor::Of<T>({rows, width}, values);
      },
      column.values);
}

}  // namespace

Status CheckSignature(const std::string& name) {
  if (name.empty() || name == "serving_default") return Status::Ok();
  return InvalidArgument("model_spec.signature_name",
                         "the model has no signature '" + name + "'; it has serving_default");
}

base::Result<Request> ToRequest(wire::PredictRequest& message) {
  if (message.inputs_size() > kMaxInputs) {
    return InvalidArgument("inputs", "more than " + std::to_string(kMaxInputs));
  }
  Request request;
  for (auto& [name, proto] : *message.mutable_inputs())
    request.inputs.push_back({name, TRY(ToTensor(proto, "inputs." + name))});
  for (const std::string& name : message.output_filter()) request.outputs.push_back(name);
  return request;
}

base::Result<Request> ToRequest(const wire::Input& input,
                                const inference::ModelDescription& description) {
  const bool with_context = input.has_example_list_with_context();
  const auto& examples =
      with_context ? input.example_list_with_context().examples() : input.example_list().examples();
  if (examples.empty() || examples.size() > kMaxExamples) {
    return InvalidArgument("input", "expected 1 to " + std::to_string(kMaxExamples) + " examples");
  }
  const auto rows = static_cast<size_t>(examples.size());
  std::map<std::string, Gathered> features;
  for (size_t row = 0; row < rows; ++row) {
    if (with_context) {
      for (const auto& [name, feature] :
           input.example_list_with_context().context().features().feature())
        TRY(Add(features, name, feature, row, rows));
    }
    for (const auto& [name, feature] : examples[static_cast<int>(row)].features().feature())
      TRY(Add(features, name, feature, row, rows));
  }
  std::vector<inference::Column> columns;
  bool flat = true;
  for (const auto& [name, gathered] : features) {
    columns.push_back(ColumnOf(name, gathered));
    flat = flat && gathered.width == 1;
  }
  if (flat) return inference::RequestFromColumns(columns, description);
  Request request;
  for (const inference::Column& column : columns) {
    request.inputs.push_back(
        {column.name, TensorOf(column, static_cast<int64_t>(rows), features[column.name].width)});
  }
  return request;
}

Status FillClasses(const inference::Response& response, const inference::ModelConfig& config,
                   wire::ClassificationResult& result) {
  const auto scores = TRY(inference::ClassScores::Find(response.outputs, config));
  for (int64_t row = 0; row < scores.rows(); ++row) {
    wire::Classifications& classes = *result.add_classifications();
    for (int64_t column = 0; column < scores.classes(); ++column) {
      wire::Class& one = *classes.add_classes();
      one.set_label(scores.Label(row, column));
      one.set_score(static_cast<float>(scores.tensor().NumberAt(scores.IndexOf(row, column))));
    }
  }
  return Status::Ok();
}

Status FillRegression(const inference::Response& response, wire::RegressionResult& result) {
  const Tensor* value = TRY(inference::FindRegression(response.outputs));
  for (int64_t row = 0; row < value->rows(); ++row)
    result.add_regressions()->set_value(static_cast<float>(value->NumberAt(row)));
  return Status::Ok();
}

}  // namespace slipway::api::tfserving
