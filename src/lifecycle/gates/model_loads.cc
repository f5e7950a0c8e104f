// SPDX-License-Identifier: Apache-2.0
// Gate: a version that cannot be loaded never gets near traffic.
#include "lifecycle/gates.h"

namespace slipway::lifecycle {
namespace {

base::Json Specs(const std::vector<inference::TensorSpec>& specs) {
  base::Json json = base::Json::MakeArray();
  for (const inference::TensorSpec& spec : specs) {
    base::Json shape = base::Json::MakeArray();
    for (const int64_t dimension : spec.shape) shape.Append(dimension);
    json.Append(base::Json::MakeObject({{"name", spec.name},
                                        {"type", inference::DataTypeName(spec.type)},
                                        {"shape", std::move(shape)}}));
  }
  return json;
}

class ModelLoadsGate final : public registry::Gate {
 public:
  explicit ModelLoadsGate(traffic::Endpoints& endpoints) : endpoints_(endpoints) {}
  std::string_view name() const override { return "model_loads"; }
  std::string_view help() const override {
    return "It opens in a probe process, then in the runtime, and answers.";
  }
  bool Guards(registry::Stage stage) const override {
    return stage == registry::Stage::kStaging || stage == registry::Stage::kProduction;
  }
  registry::Verdict Check(const registry::GateContext& context) override {
    registry::Verdict verdict;
    verdict.gate = name();
    const auto model = endpoints_.LoadVersion(context.version.model, context.version.number);
    if (!model.ok()) {
      verdict.outcome = registry::Outcome::kFail;
      verdict.summary = "the model does not load: " + model.status().message();
      verdict.evidence = base::Json::MakeObject(
          {{"reason", model.status().reason()}, {"field", model.status().field()}});
      return verdict;
    }
    const inference::ModelDescription& description = (*model)->description();
    verdict.outcome = registry::Outcome::kPass;
    verdict.summary = "the model loads (" + description.platform + ") and answers";
    verdict.evidence = base::Json::MakeObject({{"platform", description.platform},
                                               {"inputs", Specs(description.inputs)},
                                               {"outputs", Specs(description.outputs)}});
    return verdict;
  }

 private:
  traffic::Endpoints& endpoints_;
};

}  // namespace

std::unique_ptr<registry::Gate> MakeModelLoadsGate(traffic::Endpoints& endpoints) {
  return std::make_unique<ModelLoadsGate>(endpoints);
}

}  // namespace slipway::lifecycle
