// SPDX-License-Identifier: Apache-2.0
// A prediction by MLflow's protocol: its CSV becomes columns.
#include <algorithm>
#include <string>
#include <vector>

#include "api/invocations/body.h"
#include "inference/columns.h"
#include "inference/csv.h"

namespace slipway::api::invocations {
namespace {

using inference::CsvKind;
using inference::ModelDescription;
using inference::TensorSpec;

// Names for cells that came without any.
std::vector<std::string> NamesOf(const ModelDescription& description, size_t width) {
  std::vector<std::string> names;
  const bool matrix = description.inputs.size() == 1 && width > 1;
  for (size_t i = 0; i < width; ++i) {
    std::string name = "column " + std::to_string(i);
    if (matrix) {
      const auto& columns = description.inputs[0].columns;
      if (i < columns.size()) name = columns[i];
    } else if (i < description.inputs.size()) {
      name = description.inputs[i].name;
    }
    names.push_back(std::move(name));
  }
  return names;
}

}  // namespace

base::Result<inference::Request> DecodeCsv(std::string_view body,
                                           const ModelDescription& description, bool headerless) {
  const auto kind = [&](const std::string& name) {
    const auto& inputs = description.inputs;
    const bool text = std::any_of(inputs.begin(), inputs.end(), [&](const TensorSpec& input) {
      return input.name == name && input.type == inference::DataType::kString;
    });
    return text ? CsvKind::kText : CsvKind::kNumbers;
  };
  inference::CsvNames names;
  if (headerless) names = [&](size_t width) { return NamesOf(description, width); };
  return inference::RequestFromColumns(TRY(inference::ColumnsFromCsv(body, kind, names)),
                                       description);
}

}  // namespace slipway::api::invocations
