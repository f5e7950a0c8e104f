// SPDX-License-Identifier: Apache-2.0
// Which interpreter runs a version, with what beside it: the worker's own files, and where settings
// ask for it a virtual environment of the version's requirements, built once.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "inference/python/supervisor.h"
#include "inference/python_runtime.h"

namespace slipway::inference::python {

// The requirements of a version, as pip reads them: its requirements.txt, else the pip part of its
// conda.yaml, else the dependencies of its python_env.yaml; empty: it names none.
std::string RequirementsOf(const std::string& version_folder);
// The items below "- pip:" of a conda.yaml, one a line.
std::string PipPartOf(std::string_view conda_yaml);
// The items of `dependencies` of a python_env.yaml, without "-r requirements.txt".
std::string DependenciesOf(std::string_view python_env_yaml);

// Folder with the package slipway_worker, written below `folder` when it is not there.
base::Result<std::string> UnpackWorker(const std::string& folder);

// The interpreter for the version: `settings.interpreter`, or the one of its environment, which is
// built now when it is not there. kFailedPrecondition (reason "environment_failed") with the last
// lines of the installer.
base::Result<std::string> InterpreterFor(const PythonSettings& settings,
                                         const std::string& version_folder, Supervisor& supervisor);

}  // namespace slipway::inference::python
