// SPDX-License-Identifier: Apache-2.0
// A prediction by MLflow's protocol: its answer as JSON.
#include "api/invocations/answer.h"

#include <algorithm>
#include <utility>

#include "base/json.h"
#include "inference/json_tensors.h"

namespace slipway::api::invocations {
namespace {

using inference::DataType;
using inference::NamedTensor;
using inference::Tensor;

void AppendLabelled(std::string& out, const NamedTensor& output, int64_t begin, int64_t count) {
  const Tensor& labels = *output.labels;
  out += '{';
  for (int64_t i = 0; i < count; ++i) {
    if (i > 0) out += ',';
    if (labels.type() == DataType::kString) {
      inference::AppendElementJson(out, labels, i);
    } else {
      out += '"';
      inference::AppendElementJson(out, labels, i);
      out += '"';
    }
    out += ':';
    inference::AppendElementJson(out, output.tensor, begin + i);
  }
  out += '}';
}

void AppendRow(std::string& out, const NamedTensor& output, int64_t row) {
  const auto& shape = output.tensor.shape();
  if (output.labels && shape.size() == 2 && output.labels->element_count() == shape[1])
    return AppendLabelled(out, output, row * shape[1], shape[1]);
  inference::AppendRowJson(out, output.tensor, row, true);
}

void AppendList(std::string& out, const NamedTensor& output) {
  if (output.tensor.shape().empty()) return inference::AppendElementJson(out, output.tensor, 0);
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

void AppendCsvText(std::string& out, const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) {
    out += text;
    return;
  }
  out += '"';
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
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

base::Result<std::string> EncodeCsv(const std::vector<NamedTensor>& outputs) {
  const int64_t rows = outputs.empty() ? 0 : outputs[0].tensor.rows();
  for (const NamedTensor& output : outputs) {
    if (output.tensor.rows() != rows) {
      return base::InvalidArgument(
          "Accept", "output '" + output.name + "' has another number of rows: ask for JSON");
    }
  }
  std::string out;
  for (int64_t row = 0; row < rows; ++row) {
    bool first = true;
    for (const NamedTensor& output : outputs) {
      const int64_t count = output.tensor.element_count() / rows;
      for (int64_t i = 0; i < count; ++i) {
        if (!std::exchange(first, false)) out += ',';
        if (output.tensor.type() == inference::DataType::kString) {
          AppendCsvText(out, output.tensor.strings()[static_cast<size_t>(row * count + i)]);
        } else {
          inference::AppendElementJson(out, output.tensor, row * count + i);
        }
      }
    }
    out += '\n';
  }
  return out;
}

}  // namespace slipway::api::invocations
