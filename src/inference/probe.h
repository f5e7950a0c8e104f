// SPDX-License-Identifier: Apache-2.0
// The probe process: this binary, called by itself as `slipway __probe RUNTIME PATH FOLDER
// MEMORY_MB LIBRARY [--setting NAME=VALUE]... [PARAMETER=VALUE]...`, opens a model and runs it once
// on zeros under memory limits. What a hostile or broken model does there is a refusal and not an
// outage.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/status.h"
#include "inference/model_pool.h"
#include "inference/runtime.h"

namespace slipway::inference {

// The binary's main() calls it when argv[1] is "__probe". Returns the exit status: 0 (the model may
// be opened), 3 (refused, with a line on standard output that ExecProbe reads), 2 (called wrongly).
// `make`: a runtime by its row's name, over the library that is given (empty: its own choice), with
// the settings that Runtime::probe_settings gave.
using MakeRuntime =
    base::Result<std::unique_ptr<Runtime>> (*)(const std::string& name, const std::string& library,
                                               const std::map<std::string, std::string>& settings);
int ProbeMain(int argc, char** argv, MakeRuntime make);

// What the probe process does, without the limits: kInvalidArgument as Runtime::Load, or reason
// "probe_failed" when the run on zeros used up the memory. A model that merely refuses zeros
// passes.
base::Status ProbeModel(Runtime& runtime, const ModelSource& source);

// Starts `self_path` as a probe for each model. Crash, hang (probe_timeout_s) or memory blow-up
// (probe_memory_mb) is kInvalidArgument, field "model", reason "probe_failed", saying which. Only
// for a binary whose main() calls ProbeMain.
Prober ExecProbe(const PoolSettings& settings, std::string self_path = "/proc/self/exe");

// Asks `probe` once for the same files, runtime and parameters: that a model passed is kept as a
// name in `folder` (made when absent). A file that was written to since, however, is another: its
// change time tells. A start with known models is quicker by a process for each.
Prober RememberPassed(Prober probe, std::string folder);

}  // namespace slipway::inference
