// SPDX-License-Identifier: Apache-2.0
// The content key of a step, and the files that it left. Private to pipelines.
#pragma once

#include <map>
#include <string>

#include "base/status.h"
#include "pipelines/step_run.h"

namespace slipway::pipelines {

// SHA-256 over the step's command and environment as written, the parameters, the content of its
// inputs and the outputs of what came before. kFailedPrecondition (reason "no_input") when a
// pattern of `inputs` matches nothing.
base::Result<std::string> CacheKey(const StepJob& job, const std::string& work_folder);
// Declared outputs -> SHA-256. kFailedPrecondition (reason "no_output") naming one that is not
// there.
base::Result<std::map<std::string, std::string>> HashOutputs(const StepSpec& step,
                                                             const std::string& work_folder);
// Brings the files of an earlier run here; false when one is gone or differs from its hash.
bool CopyOutputs(const CacheEntry& entry, const std::string& from_folder,
                 const std::string& to_folder);

}  // namespace slipway::pipelines
