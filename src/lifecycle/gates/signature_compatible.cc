// SPDX-License-Identifier: Apache-2.0
// Gate: who calls production today can call this version tomorrow.
#include <algorithm>
#include <string>
#include <vector>

#include "lifecycle/gates.h"
#include "lifecycle/signature.h"

namespace slipway::lifecycle {
namespace {

class SignatureCompatibleGate final : public registry::Gate {
 public:
  explicit SignatureCompatibleGate(traffic::Endpoints& endpoints) : endpoints_(endpoints) {}
  std::string_view name() const override { return "signature_compatible"; }
  std::string_view help() const override {
    return "It takes what production takes and gives what production gives.";
  }
  bool Guards(registry::Stage stage) const override {
    return stage == registry::Stage::kProduction;
  }

  registry::Verdict Check(const registry::GateContext& context) override {
    registry::Verdict verdict;
    if (!context.production || context.production->number == context.version.number) {
      verdict.summary = "no other version is in production to be compatible with";
      return verdict;
    }
    const auto former = endpoints_.LoadVersion(context.version.model, context.production->number);
    const auto next = endpoints_.LoadVersion(context.version.model, context.version.number);
    if (!next.ok() || !former.ok()) {
      verdict.outcome = next.ok() ? registry::Outcome::kNotRun : registry::Outcome::kFail;
      verdict.summary = "the model does not load: " +
                        (next.ok() ? former.status().message() : next.status().message());
      return verdict;
    }
    if ((*former)->description().open || (*next)->description().open) {
      verdict.summary = "a model that does not say what it takes cannot be compared";
      return verdict;
    }
    const std::vector<std::string> breaks =
        SignatureBreaks((*former)->description(), (*next)->description());
    base::Json list = base::Json::MakeArray();
    for (const std::string& one : breaks) {
      list.Append(one);
      verdict.summary += (verdict.summary.empty() ? "" : "; ") + one;
    }
    verdict.outcome = breaks.empty() ? registry::Outcome::kPass : registry::Outcome::kFail;
    const std::string production = std::to_string(context.production->number);
    if (breaks.empty())
      verdict.summary = "callers of production version " + production + " can call it";
    else
      verdict.summary =
          "callers of production version " + production + " break: " + verdict.summary;
    verdict.evidence = base::Json::MakeObject(
        {{"production", context.production->number}, {"breaks", std::move(list)}});
    return verdict;
  }

 private:
  traffic::Endpoints& endpoints_;
};

}  // namespace

std::unique_ptr<registry::Gate> MakeSignatureCompatibleGate(traffic::Endpoints& endpoints) {
  return std::make_unique<SignatureCompatibleGate>(endpoints);
}

}  // namespace slipway::lifecycle
