// SPDX-License-Identifier: Apache-2.0
// GatePolicy: which gates guard which stage for which models, with which options, and who may
// override them. Values; docs/gates.md describes the form.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "registry/registry.h"

namespace slipway::registry {

class GatePolicy {
 public:
  // kInvalidArgument naming "<root>rules[1].gates.x" and what was expected; `gates` are all that
  // there are, and check their options themselves.
  static base::Result<GatePolicy> Parse(const base::Json& json,
                                        const std::vector<std::unique_ptr<Gate>>& gates,
                                        const std::string& root = "registry.policy.");

  // The options of `gate` when it guards this stage of this model: those of the last rule that
  // names it; by no rule, whether it does by itself. Nothing: it does not guard.
  [[nodiscard]] std::optional<base::Json> OptionsOf(const Gate& gate, const std::string& model,
                                                    Stage stage) const;
  // Everybody, unless the policy says who.
  [[nodiscard]] bool MayOverride(const std::string& actor) const;
  // Whether `names` (users, or roles of this policy) have the actor among them.
  [[nodiscard]] bool Among(const std::vector<std::string>& names, const std::string& actor) const;
  [[nodiscard]] const base::Json& json() const { return json_; }

 private:
  struct Rule {
    std::vector<std::string> models;  // names with * for any characters
    std::set<Stage> stages;
    std::map<std::string, std::optional<base::Json>> gates;  // nothing: off
  };
  base::Json json_ = base::Json::MakeObject();
  std::map<std::string, std::vector<std::string>> roles_;
  std::optional<std::vector<std::string>> overriders_;
  std::vector<Rule> rules_;

  static base::Result<Rule> ParseRule(const std::string& at, const base::Json& json,
                                      const std::vector<std::unique_ptr<Gate>>& gates);
};

struct KeptPolicy {
  int64_t version = 0;  // in registry_policies; 0: nobody ever said anything
  GatePolicy policy;
  std::string origin = "settings";  // or "applied": what the settings say is not looked at
  std::string text;                 // of the file, as it was applied
};

// `*` stands for any characters.
bool MatchesName(std::string_view pattern, std::string_view name);

}  // namespace slipway::registry
