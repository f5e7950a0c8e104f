// SPDX-License-Identifier: Apache-2.0
// A prediction by MLflow's protocol: its answer as JSON.
#include "api/invocations/answer.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "base/json.h"

namespace slipway::api::invocations {
namespace {

using inference::DataType;
using inference::NamedTensor;
using inference::Tensor;

template <typename T>
void AppendInteger(std::string& out, T value) {
  char text[24];
  out.append(text, std::to_chars(text, text + sizeof(text), value).ptr);
}

void AppendElement(std::string& out, const Tensor& tensor, int64_t index) {
  const auto place = static_cast<size_t>(index);
  switch (tensor.type()) {
    case DataType::kString:
      return base::AppendJsonString(out, tensor.strings()[place]);
    case DataType::kBool:
      out += tensor.As<uint8_t>()[place] != 0 ? "true" : "false";
      return;
    case DataType::kInt64:
      return AppendInteger(out, tensor.As<int64_t>()[place]);
    case DataType::kUint64:
      return AppendInteger(out, tensor.As<uint64_t>()[place]);
    default:
      break;
  }
  const double value = tensor.NumberAt(index);
  if (!std::isfinite(value)) {
    out += "null";
  } else if (tensor.type() == DataType::kFp64) {
    base::AppendJsonNumber(out, value);
  } else {
    base::AppendJsonNumber(out, static_cast<float>(value));
  }
}

// The elements [begin, begin + count) as arrays of the dimensions from `level` on.
void AppendBlock(std::string& out, const Tensor& tensor, size_t level, int64_t begin,
                 int64_t count) {
  const inference::Shape& shape = tensor.shape();
  if (level == shape.size()) return AppendElement(out, tensor, begin);
  const int64_t items = shape[level];
  const int64_t step = items == 0 ? 0 : count / items;
  out += '[';
  for (int64_t i = 0; i < items; ++i) {
    if (i > 0) out += ',';
    AppendBlock(out, tensor, level + 1, begin + i * step, step);
  }
  out += ']';
}

void AppendLabelled(std::string& out, const NamedTensor& output, int64_t begin, int64_t count) {
  const Tensor& labels = *output.labels;
  out += '{';
  for (int64_t i = 0; i < count; ++i) {
    if (i > 0) out += ',';
    if (labels.type() == DataType::kString) {
      AppendElement(out, labels, i);
    } else {
      out += '"';
      AppendElement(out, labels, i);
      out += '"';
    }
    out += ':';
    AppendElement(out, output.tensor, begin + i);
  }
  out += '}';
}

void AppendRow(std::string& out, const NamedTensor& output, int64_t row) {
  const Tensor& tensor = output.tensor;
  const auto& shape = tensor.shape();
  if (shape.empty()) return AppendElement(out, tensor, 0);
  const int64_t count = tensor.element_count() / shape[0];
  const int64_t begin = row * count;
  if (output.labels && shape.size() == 2 && output.labels->element_count() == count)
    return AppendLabelled(out, output, begin, count);
  if (shape.size() == 2 && shape[1] == 1) return AppendElement(out, tensor, begin);
  AppendBlock(out, tensor, 1, begin, count);
}

void AppendList(std::string& out, const NamedTensor& output) {
  if (output.tensor.shape().empty()) return AppendElement(out, output.tensor, 0);
  out += '[';
  for (int64_t row = 0; row < output.tensor.rows(); ++row) {
    if (row > 0) out += ',';
    AppendRow(out, output, row);
  }
  out += ']';
}

void AppendRecord(std::string& out, const std::vector<NamedTensor>& outputs, int64_t row) {
  out += '{';
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (i > 0) out += ',';
    base::AppendJsonString(out, outputs[i].name);
    out += ':';
    AppendRow(out, outputs[i], row);
  }
  out += '}';
}

}  // namespace

std::string EncodePredictions(const std::vector<NamedTensor>& outputs) {
  std::string out = "{\"predictions\":";
  const bool same_rows = std::all_of(
      outputs.begin(), outputs.end(),
      [&](const NamedTensor& output) { return output.tensor.rows() == outputs[0].tensor.rows(); });
  if (outputs.size() == 1) {
    AppendList(out, outputs[0]);
  } else if (!outputs.empty() && same_rows) {
    out += '[';
    for (int64_t row = 0; row < outputs[0].tensor.rows(); ++row) {
      if (row > 0) out += ',';
      AppendRecord(out, outputs, row);
    }
    out += ']';
  } else {
    out += '{';
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (i > 0) out += ',';
      base::AppendJsonString(out, outputs[i].name);
      out += ':';
      AppendList(out, outputs[i]);
    }
    out += '}';
  }
  return out + "}";
}

}  // namespace slipway::api::invocations
