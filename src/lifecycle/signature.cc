// SPDX-License-Identifier: Apache-2.0
// Two models' signatures, field by field.
#include "lifecycle/signature.h"

#include <algorithm>

namespace slipway::lifecycle {
namespace {

using inference::TensorSpec;

std::string Text(const inference::Shape& shape) {
  std::string text = "[";
  for (const int64_t dimension : shape)
    text += (text.size() == 1 ? "" : ",") + std::to_string(dimension);
  return text + "]";
}

// Whatever had the former shape has the new one, too.
bool Takes(const inference::Shape& next, const inference::Shape& former) {
  return std::ranges::equal(next, former, [](int64_t a, int64_t b) { return a < 0 || a == b; });
}

void Compare(const std::string& what, const std::vector<TensorSpec>& former,
             const std::vector<TensorSpec>& next, bool inputs, std::vector<std::string>& breaks) {
  for (const TensorSpec& old : former) {
    const std::string field = what + " '" + old.name + "'";
    const auto now = std::ranges::find(next, old.name, &TensorSpec::name);
    if (now == next.end()) {
      breaks.push_back(field + " is gone");
      continue;
    }
    if (now->type != old.type) {
      breaks.push_back(field + " is " + std::string(inference::DataTypeName(now->type)) +
                       " and was " + std::string(inference::DataTypeName(old.type)));
    }
    const bool fits = inputs ? Takes(now->shape, old.shape) : Takes(old.shape, now->shape);
    if (!fits)
      breaks.push_back(field + " has shape " + Text(now->shape) + " and had " + Text(old.shape));
  }
}

}  // namespace

std::vector<std::string> SignatureBreaks(const inference::ModelDescription& former,
                                         const inference::ModelDescription& next) {
  std::vector<std::string> breaks;
  Compare("input", former.inputs, next.inputs, true, breaks);
  for (const TensorSpec& input : next.inputs) {
    if (std::ranges::find(former.inputs, input.name, &TensorSpec::name) == former.inputs.end())
      breaks.push_back("input '" + input.name + "' is new and callers do not send it");
  }
  Compare("output", former.outputs, next.outputs, false, breaks);
  return breaks;
}

}  // namespace slipway::lifecycle
