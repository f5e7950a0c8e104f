// SPDX-License-Identifier: Apache-2.0
// ${params.X}, ${outputs.STEP.KEY}, ${run.id} and ${run.folder} in commands and environments; $${
// stands for ${. Private to pipelines.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "base/status.h"

namespace slipway::pipelines {

using StepOutputs =
    std::map<std::string, std::map<std::string, std::string>>;  // step -> KEY -> value

struct TemplateValues {
  std::string run_id;
  std::string run_folder;
  std::map<std::string, std::string> parameters;
  StepOutputs outputs;
};

// Every reference is known; outputs only of steps in `needs`.
base::Status CheckTemplate(std::string_view text, const std::set<std::string>& needs);
// kFailedPrecondition (reason "no_value") naming a parameter or output that has no value.
base::Result<std::string> Fill(std::string_view text, const TemplateValues& values);

}  // namespace slipway::pipelines
