// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "app/assembly.h"
#include "cli/cli.h"
#include "inference/probe.h"

int main(int argc, char** argv) {
  // A model file is first opened in a process of its own: this binary, called by itself.
  if (argc > 1 && std::strcmp(argv[1], "__probe") == 0)
    return slipway::inference::ProbeMain(argc, argv, slipway::app::ProbeRuntime);
  return slipway::cli::Main(argc, argv);
}
