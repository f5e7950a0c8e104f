// SPDX-License-Identifier: Apache-2.0
// The gate that reads a version's files again: they are still, byte for byte, what was registered.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/json.h"
#include "base/status.h"
#include "registry/gates.h"
#include "registry/integrity.h"
#include "registry/registry.h"
#include "storage/blobs.h"

namespace slipway::registry {
namespace {

class ArtifactIntegrity final : public Gate {
 public:
  explicit ArtifactIntegrity(storage::Blobs& blobs) : blobs_(blobs) {}
  [[nodiscard]] std::string_view name() const override { return "artifact_integrity"; }
  [[nodiscard]] bool Guards(Stage stage) const override {
    return stage == Stage::kStaging || stage == Stage::kProduction;
  }

  [[nodiscard]] std::string_view help() const override {
    return "Every file has the size and SHA-256 of the manifest.";
  }
  Verdict Check(const GateContext& context) override {
    base::Json differences = base::Json::MakeArray();
    std::string summary;
    int64_t bytes = 0;
    for (const ManifestFile& file : context.version.files) {
      const std::string difference = DifferenceOf(blobs_, context.version, file);
      bytes += file.size_bytes;
      if (difference.empty()) continue;
      differences.Append(base::Json::MakeObject({{"path", file.path}, {"difference", difference}}));
      summary += (summary.empty() ? "" : " ") + ("'" + file.path + "' " + difference + ".");
    }
    if (context.version.files.empty()) summary = "The version has no files.";
    Verdict verdict;
    verdict.outcome = summary.empty() ? Outcome::kPass : Outcome::kFail;
    verdict.summary = summary.empty() ? "All " + std::to_string(context.version.files.size()) +
                                            " files have their SHA-256."
                                      : summary + " Register the model again.";
    verdict.evidence =
        base::Json::MakeObject({{"files", static_cast<int64_t>(context.version.files.size())},
                                {"size_bytes", bytes},
                                {"differences", std::move(differences)}});
    return verdict;
  }

 private:
  storage::Blobs& blobs_;
};

}  // namespace

std::unique_ptr<Gate> MakeArtifactIntegrityGate(storage::Blobs& blobs) {
  return std::make_unique<ArtifactIntegrity>(blobs);
}

}  // namespace slipway::registry
