// SPDX-License-Identifier: Apache-2.0
// Loading a version: tree models behind the Runtime seam.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/files.h"
#include "base/status.h"
#include "inference/runtime.h"
#include "inference/trees/forest.h"
#include "inference/trees/model.h"
#include "inference/trees/session.h"

namespace slipway::inference {
namespace {

constexpr int64_t kMostBytes = int64_t{2} << 30;

class TreesRuntime final : public Runtime {
 public:
  [[nodiscard]] std::string_view name() const override { return "trees"; }
  [[nodiscard]] std::string Version() const override {
    switch (trees::BestSimd()) {
      case trees::Simd::kAvx512:
        return "AVX-512";
      case trees::Simd::kAvx2:
        return "AVX2";
      default:
        return "scalar";
    }
  }

  base::Result<std::unique_ptr<Session>> Load(const ModelSource& source) override {
    trees::ReadOptions options;
    const auto& parameters = source.config.parameters;
    if (const auto found = parameters.find("output"); found != parameters.end())
      options.output = found->second;
    const std::string bytes = TRY(base::ReadFile(source.path, kMostBytes));
    return trees::MakeSession(TRY(trees::ReadModel(bytes, options)), trees::BestSimd());
  }
};

}  // namespace

std::unique_ptr<Runtime> MakeTreesRuntime() { return std::make_unique<TreesRuntime>(); }

}  // namespace slipway::inference
