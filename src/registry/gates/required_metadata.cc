// SPDX-License-Identifier: Apache-2.0
// The gate that asks where a version comes from: data, code, parameters, measured quality, time
// spent.
#include <algorithm>
#include <array>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "registry/gates.h"
#include "registry/registry.h"

namespace slipway::registry {
namespace {

struct HowToSend {
  std::string_view item;
  std::string_view how;
};

constexpr std::array<HowToSend, 5> kHowToSend = {{
    {"dataset_hash",
     "log the training data with mlflow.log_input(dataset) or set the run's tag 'dataset_hash'"},
    {"params", "log the parameters with mlflow.log_params({...})"},
    {"metrics", "log the evaluation with mlflow.log_metrics({...})"},
    {"git_sha",
     "set the run's tag 'git_sha' (or 'mlflow.source.git.commit') to the commit that trained it"},
    {"training_duration_s",
     "set the run's tag, param or metric 'training_duration_s', or end the run: its start and end "
     "time count"},
}};

std::string_view How(std::string_view item) {
  const auto* const known = std::ranges::find(kHowToSend, item, &HowToSend::item);
  return known == kHowToSend.end() ? "set the run's tag of that name" : known->how;
}

bool IsThere(const base::Json& metadata, std::string_view item) {
  const base::Json* value = metadata.Find(item);
  if (value == nullptr || value->is_null()) return false;
  if (value->is_string()) return !value->AsString().empty();
  if (value->is_object()) return !value->AsObject().empty();
  if (value->is_array()) return !value->AsArray().empty();
  return true;
}

class RequiredMetadata final : public Gate {
 public:
  explicit RequiredMetadata(std::vector<std::string> required) : required_(std::move(required)) {}
  [[nodiscard]] std::string_view name() const override { return "required_metadata"; }
  [[nodiscard]] bool Guards(Stage stage) const override {
    return stage == Stage::kStaging || stage == Stage::kProduction;
  }

  [[nodiscard]] std::string_view help() const override {
    return "The run records where the version comes from: {items: [dataset_hash, git_sha, ...]}.";
  }
  [[nodiscard]] base::Status CheckOptions(const base::Json& options) const override {
    TRY(base::RequireOnly(options, {"items"}));
    TRY(Items(options));
    return {};
  }

  Verdict Check(const GateContext& context) override {
    const base::Result<std::vector<std::string>> items = Items(context.options);
    base::Json missing = base::Json::MakeArray();
    std::string summary;
    for (const std::string& item : items.ok() ? *items : required_) {
      if (IsThere(context.version.metadata, item)) continue;
      missing.Append(item);
      summary +=
          (summary.empty() ? "" : " ") + item + " is missing: " + std::string(How(item)) + ".";
    }
    Verdict verdict;
    verdict.outcome = summary.empty() ? Outcome::kPass : Outcome::kFail;
    verdict.summary = summary.empty() ? "The run records all that is required." : summary;
    verdict.evidence = base::Json::MakeObject(
        {{"missing", std::move(missing)}, {"found", context.version.metadata}});
    return verdict;
  }

 private:
  [[nodiscard]] base::Result<std::vector<std::string>> Items(const base::Json& options) const {
    const base::Json* items = options.Find("items");
    if (items == nullptr) return required_;
    const base::Status bad = base::InvalidArgument("items", "expected a list of names");
    if (!items->is_array()) return bad;
    std::vector<std::string> names;
    for (const base::Json& item : items->AsArray()) {
      if (!item.is_string()) return bad;
      names.push_back(item.AsString());
    }
    return names;
  }

  std::vector<std::string> required_;
};

}  // namespace

std::unique_ptr<Gate> MakeRequiredMetadataGate(std::vector<std::string> required) {
  return std::make_unique<RequiredMetadata>(std::move(required));
}

}  // namespace slipway::registry
