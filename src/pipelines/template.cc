// SPDX-License-Identifier: Apache-2.0
// Walk of a version, step "retrain": the values of a run put into a step's command.
#include "pipelines/template.h"

#include <cstddef>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "base/status.h"

namespace slipway::pipelines {

using base::Result;
using base::Status;

namespace {

using Lookup = std::function<Result<std::string>(std::string_view reference)>;

Result<std::string> Replace(std::string_view text, const Lookup& lookup) {
  std::string filled;
  size_t at = 0;
  while (at < text.size()) {
    const size_t open = text.find("${", at);
    if (open == std::string_view::npos) break;
    if (open > at && text[open - 1] == '$') {
      filled.append(text.substr(at, open - 1 - at)).append("${");
      at = open + 2;
      continue;
    }
    const size_t close = text.find('}', open);
    if (close == std::string_view::npos) {
      return base::InvalidArgument("",
                                   "\"" + std::string(text) + "\": expected a '}' after \"${\"");
    }
    filled.append(text.substr(at, open - at));
    filled.append(TRY(lookup(text.substr(open + 2, close - open - 2))));
    at = close + 1;
  }
  return filled.append(text.substr(at));
}

constexpr std::string_view kParams = "params.";
constexpr std::string_view kOutputs = "outputs.";

// "outputs.train.VERSION" -> {"train", "VERSION"}; empty when it is not like that.
std::pair<std::string, std::string> OutputReference(std::string_view reference) {
  const std::string_view rest = reference.substr(kOutputs.size());
  const size_t dot = rest.find('.');
  if (dot == std::string_view::npos || dot == 0 || dot + 1 == rest.size()) return {};
  return {std::string(rest.substr(0, dot)), std::string(rest.substr(dot + 1))};
}

Status NoValue(std::string_view reference) {
  return base::FailedPrecondition("no_value",
                                  "${" + std::string(reference) + "} has no value in this run");
}

}  // namespace

Status CheckTemplate(std::string_view text, const std::set<std::string>& needs) {
  return Replace(text,
                 [&](std::string_view reference) -> Result<std::string> {
                   if (reference == "run.id" || reference == "run.folder") return std::string();
                   if (reference.starts_with(kParams) && reference.size() > kParams.size())
                     return std::string();
                   if (reference.starts_with(kOutputs)) {
                     const std::string step = OutputReference(reference).first;
                     if (needs.contains(step)) return std::string();
                     if (!step.empty()) {
                       return base::InvalidArgument("",
                                                    "${" + std::string(reference) +
                                                        "}: expected a step that this one needs");
                     }
                   }
                   return base::InvalidArgument(
                       "", "${" + std::string(reference) +
                               "}: expected params.X, outputs.STEP.KEY, run.id or run.folder");
                 })
      .status();
}

Result<std::string> Fill(std::string_view text, const TemplateValues& values) {
  return Replace(text, [&](std::string_view reference) -> Result<std::string> {
    if (reference == "run.id") return values.run_id;
    if (reference == "run.folder") return values.run_folder;
    if (reference.starts_with(kParams)) {
      const auto found = values.parameters.find(std::string(reference.substr(kParams.size())));
      if (found == values.parameters.end()) return NoValue(reference);
      return found->second;
    }
    if (!reference.starts_with(kOutputs)) return NoValue(reference);
    const auto [step, key] = OutputReference(reference);
    const auto outputs = values.outputs.find(step);
    if (outputs == values.outputs.end() || !outputs->second.contains(key))
      return NoValue(reference);
    return outputs->second.at(key);
  });
}

}  // namespace slipway::pipelines
