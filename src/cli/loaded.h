// SPDX-License-Identifier: Apache-2.0
// The settings of a command that works on a data folder itself: defaults, file, environment, flags.
#pragma once

#include <vector>

#include "app/assembly.h"
#include "app/settings.h"
#include "base/config.h"
#include "base/status.h"
#include "cli/cli.h"

namespace slipway::cli {

struct Loaded {
  app::Assembly assembly;
  app::Settings settings;
  std::vector<base::SettingRow> rows;
};
base::Status Load(const ServeArguments& arguments, Loaded& loaded);
// Prints what went wrong; the exit status.
int Fail(const base::Status& status);

}  // namespace slipway::cli
