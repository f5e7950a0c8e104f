// SPDX-License-Identifier: Apache-2.0
// Loading a version: which of the formats a file is in.
#include <string_view>

#include "base/status.h"
#include "inference/trees/ensemble.h"
#include "inference/trees/model.h"

namespace slipway::inference::trees {

base::Result<Model> ReadModel(std::string_view bytes, const ReadOptions& options) {
  if (bytes.empty()) return BadModel("the file is empty");
  if (bytes.starts_with('{')) return ReadXgboost(bytes, options);
  if (bytes.starts_with("tree\n") || bytes.starts_with("tree\r\n"))
    return ReadLightgbm(bytes, options);
  if (bytes.starts_with("binf")) {
    return BadModel(
        "XGBoost's old binary format; save it again with save_model(\"model.ubj\") or "
        "(\"model.json\")");
  }
  return ReadOnnx(bytes);
}

}  // namespace slipway::inference::trees
