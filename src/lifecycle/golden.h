// SPDX-License-Identifier: Apache-2.0
// Golden set: rows with the source model's own answers, kept with the version as
// `golden/golden.json`:
//   {"inputs": {"dataframe_split": {"columns": [...], "data": [[...]]}},
//    "outputs": {"<output name>": [...] or [[...]]},
//    "tolerance": {"absolute": 1e-5, "relative": 1e-5}}
// Labels and other integers must be equal exactly; floating outputs within absolute + relative *
// |expected|.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/json.h"
#include "base/status.h"
#include "inference/runtime.h"
#include "inference/tensor.h"

namespace slipway::lifecycle {

inline constexpr std::string_view kGoldenPath = "golden/golden.json";

struct GoldenSet {
  inference::Request request;
  inference::Response expected;  // only the outputs that the file names, as the model's types
  double absolute = 1e-5;
  double relative = 1e-5;
  int64_t rows = 0;
};

// kInvalidArgument naming the member of the file and what was expected.
base::Result<GoldenSet> ParseGolden(const base::Json& file,
                                    const inference::ModelDescription& description);

}  // namespace slipway::lifecycle
